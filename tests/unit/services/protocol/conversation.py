# SPDX-License-Identifier: Apache-2.0
"""A Broadcast and its Intakes talking over a pretended network with a manual clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from services.protocol import messages as m
from services.protocol.broadcast import Broadcast
from services.protocol.intake import Intake, Results
from services.protocol.offer import Offer
from services.protocol.packing import pack
from services.protocol.planner import Plan, Rules
from services.protocol.profile import ModelMark, Profile
from services.protocol.train import Arrival, split
from services.rate.budget import Ack, Budget

MODEL = b"model123"
TEST = b"devices!"
FRAME_US = 33_000
DELAY_US = 5_000


class SteadyBudget:
    """Congestion control that always allows `size_bytes`."""

    capacity_bps = 10_000_000
    queue_us = 0
    min_rtt_us = None

    def __init__(self, size_bytes: int | None = 10_000) -> None:
        self.size_bytes = size_bytes
        self.acks: list[Ack] = []
        self.resets = 0
        self.floors: list[int | None] = []  # what was asked for at least

    def on_sent(self, frame_id: int, size_bytes: int, now_us: int) -> None:
        """Nothing to learn."""

    def on_ack(self, ack: Ack, now_us: int) -> None:
        self.acks.append(ack)

    def on_reset(self, now_us: int) -> None:
        self.resets += 1

    def budget(self, now_us: int, *, encode_us: int, floor_bytes: int | None = None) -> Budget:
        self.floors.append(floor_bytes)
        return Budget(self.size_bytes, "none")


def offer(*, epoch: int = 77, stream: str = "main", model: bytes = MODEL) -> Offer:
    return Offer(epoch, stream, model, TEST, "S", b"", FRAME_US)


def profile(instance: int = 1, *, model: bytes = MODEL, stream: str = "") -> Profile:
    return Profile(model, TEST, stream, f"viewer-{instance}", instance, b"")


class Conversation:
    """One sender, receivers by name; messages take DELAY_US. Decoding is pretended by digests."""

    def __init__(
        self,
        rules: Rules | None = None,
        *,
        epoch: int = 77,
        encode_us: int = 8_000,
        name_of: Callable[[bytes], str | None] = lambda peer: None,
    ) -> None:
        self._encode_us = encode_us
        self._name_of = name_of
        self.now_us = 1_000_000
        self.rules = rules or Rules()
        self.budgets: list[SteadyBudget] = []
        self.broadcast = self.make_broadcast(epoch)
        self.intakes: dict[bytes, Intake] = {}
        self.arrivals: dict[bytes, list[Arrival]] = {}
        self.holds: dict[bytes, deque[bytes]] = {}
        self.blocked: set[bytes] = set()  # receivers whose screen stands still
        self.cut: set[bytes] = set()  # receivers whose cable is pulled
        self._wire: deque[tuple[int, str, bytes, bytes]] = deque()
        self._reports: dict[bytes, list[m.FrameShown]] = {}
        self._packets: dict[bytes, tuple[bytes | None, bytes]] = {}
        self.sequence = 0

    def make_broadcast(self, epoch: int) -> Broadcast:
        return Broadcast(
            offer(epoch=epoch),
            self.rules,
            congestion=self._budget,
            name_of=self._name_of,
        )

    def _budget(self) -> SteadyBudget:
        self.budgets.append(SteadyBudget())
        return self.budgets[-1]

    def join(
        self,
        peer: bytes,
        instance: int | None = None,
        *,
        model: bytes = MODEL,
        others: tuple[ModelMark, ...] = (),
    ) -> Intake:
        number = instance if instance is not None else len(self.intakes) + 1
        intake = Intake(
            replace(profile(number, model=model), others=others), connects=True, now_us=self.now_us
        )
        self.intakes[peer] = intake
        self.arrivals[peer] = []
        self.holds[peer] = deque(maxlen=6)
        self._reports[peer] = []
        return intake

    def pull_cable(self, peer: bytes, *, seconds: float) -> None:
        """Nothing gets through to a receiver or from it for that long."""
        self.cut = {peer}
        self.run(seconds)
        self.cut = set()

    def run(self, seconds: float, *, fps: float = 30.0, size: tuple[int, int] = (64, 48)) -> None:
        """Let time pass, with a frame captured at each period."""
        for _ in range(round(seconds * fps)):
            self.capture(size)
            self._pass(round(1e6 / fps))

    def capture(self, size: tuple[int, int] = (64, 48)) -> list[Plan]:
        plans = self.broadcast.planner.plan(
            width=size[0], height=size[1], encode_us=self._encode_us, now_us=self.now_us
        )
        if plans.plans:
            self.sequence += 1
        for number, plan in enumerate(plans.plans):
            digest = f"{self.sequence:07d}{number}".encode()
            self._packets[digest] = (plan.reference, digest)
            peers = self.broadcast.committed(
                plan, sequence=self.sequence, digest=digest, size_bytes=8, now_us=self.now_us
            )
            head, _ = split(
                digest,
                epoch=77,
                sequence=self.sequence,
                captured_us=self.now_us - 9_000,
                encode_start_us=self.now_us - 8_000,
                encode_end_us=self.now_us,
                sent_us=self.now_us,
            )
            for peer in peers:
                self._post("down", peer, pack(head))
                self.broadcast.handed_over(peer, head)
        return list(plans.plans)

    def say(self, peer: bytes, message: m.Message) -> None:
        """Put a message of a receiver on the wire."""
        self._post("up", peer, pack(message))

    def _pass(self, span_us: int) -> None:
        end_us = self.now_us + span_us
        while self.now_us < end_us:
            self.now_us = min(end_us, self.now_us + 1_000)
            while self._wire and self._wire[0][0] <= self.now_us:
                _, way, peer, data = self._wire.popleft()
                self._deliver(way, peer, data)
            if self.now_us % 50_000 < 1_000:
                self._tick()

    def _tick(self) -> None:
        for peer, data in self.broadcast.tick(self.now_us).messages:
            self._post("down", peer, data)
        for peer, intake in self.intakes.items():
            self._act(peer, intake.tick(self.now_us))
            if peer not in self.blocked:
                reports, self._reports[peer] = self._reports[peer], []
                for report in reports:
                    self._act(peer, intake.shown(report))

    def _deliver(self, way: str, peer: bytes, data: bytes) -> None:
        if way == "up":
            for to, answer in self.broadcast.on_message(peer, data, self.now_us).messages:
                self._post("down", to, answer)
        elif peer in self.intakes:
            self._act(peer, self.intakes[peer].on_message(b"", data, self.now_us))

    def _act(self, peer: bytes, results: Results) -> None:
        for _, data in results.messages:
            self._post("up", peer, data)
        for arrival in results.arrivals:
            self._decode(peer, arrival)

    def _decode(self, peer: bytes, arrival: Arrival) -> None:
        reference, digest = self._packets[arrival.packet]
        if reference is not None and reference not in self.holds[peer]:
            asked = self.intakes[peer].ask_keyframe(m.KeyframeReason.REFERENCE_MISSING, self.now_us)
            self._act(peer, asked)
            self._reports[peer].append(
                m.FrameShown(
                    arrival.head.epoch,
                    arrival.head.sequence,
                    m.Outcome.REFERENCE_MISSING,
                    0,
                    m.MAX_SPAN_US,
                    0,
                    0,
                    0,
                    0,
                )
            )
            return
        self.holds[peer].append(digest)
        self.arrivals[peer].append(arrival)
        self._reports[peer].append(
            m.FrameShown(
                arrival.head.epoch,
                arrival.head.sequence,
                m.Outcome.SHOWN,
                20_000,
                0,
                0,
                5_000,
                0,
                5_000,
            )
        )

    def _post(self, way: str, peer: bytes, data: bytes) -> None:
        if peer not in self.cut:
            self._wire.append((self.now_us + DELAY_US, way, peer, data))

    def keyframes(self, peer: bytes) -> int:
        """How many keyframes this receiver decoded."""
        return sum(self._packets[a.packet][0] is None for a in self.arrivals[peer])
