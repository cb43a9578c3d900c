# SPDX-License-Identifier: Apache-2.0
"""Sender and receiver on a manual clock: cores without thread, socket or waiting.

A message takes `WAY_US`, on every way; nothing is lost. What a person would see is in `shown`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from zlib import crc32

from services.emulator.virtual import VirtualClock
from services.measure.stats import ReceiverSnapshot, SenderSnapshot
from services.protocol import messages as m
from services.protocol.broadcast import Answers
from services.protocol.intake import Results
from services.protocol.offer import Offer
from services.protocol.packing import pack
from services.protocol.planner import Rules
from services.protocol.profile import Profile
from services.protocol.train import Arrival
from services.rate.budget import Congestion
from services.receiver.core import FrameMeta, Ready, ReceiverCore
from services.receiver.decoding import Undecodable
from services.relay.core import FeedCore
from services.sender.core import TICK_US, Encode, SenderCore, SenderSetup, Span
from streamcodec.frame import Frame
from tests.fakes import FakeCodec, noise_frame

BOOT = b"b" * 16
WAY_US = 2_000
ENCODE_US = 2_000
DECODE_US = 1_000
FIXED = Rules(quality=40, adaptive=False)


def moving(number: int) -> Frame:
    """The picture of that number: a texture that moves."""
    return noise_frame(seed=7, shift=number % 40)


class Clock(VirtualClock):
    """Begins late enough for clocks that are behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_us = 1_000_000_000

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.run_until(self.now_us + round(seconds * 1e6))


class Upstream(Protocol):
    """Who serves: a sender or a relay."""

    def join(self, peer: bytes, deliver: Callable[[bytes], None]) -> None: ...
    def hear(self, peer: bytes, data: bytes) -> None: ...


class ManualSender:
    """Films and encodes at a steady rate."""

    def __init__(
        self,
        clock: Clock,
        *,
        fps: float = 100.0,
        rules: Rules = FIXED,
        picture: Callable[[int], Frame] = moving,
        congestion: Callable[[], Congestion] | None = None,
        adapts: bool = True,
        epoch: int = 7,
        boot_id: bytes = BOOT,
    ) -> None:
        self.codec = FakeCodec()
        self.meant: dict[tuple[int, int], list[Frame]] = {}  # by epoch and sequence
        self.captured_us: dict[int, int] = {}
        self._epoch = epoch
        self._clock = clock
        self._picture = picture
        self._interval_us = round(1e6 / fps)
        self._peers: dict[bytes, Callable[[bytes], None]] = {}
        self._number = 0
        self._busy = False
        self._waiting: tuple[Frame, int] | None = None
        self._gone = False
        first = picture(0)
        self._size = first.width, first.height
        codec = self.codec
        self.core = SenderCore(
            SenderSetup(
                Offer(
                    epoch,
                    "main",
                    codec.model_hash,
                    codec.self_test(),
                    "S",
                    boot_id,
                    self._interval_us,
                ),
                self._size,
                rules,
                adapts=adapts,
            ),
            codec=codec,
            now_us=clock.now_us,
            congestion=congestion,
        )
        clock.at(clock.now_us, self._capture)
        clock.at(clock.now_us, self._tick)

    def join(self, peer: bytes, deliver: Callable[[bytes], None]) -> None:
        """A receiver connects."""
        self._peers[peer] = deliver

    def hear(self, peer: bytes, data: bytes) -> None:
        """A receiver said something."""
        if not self._gone:
            self._say(self.core.messages([(peer, data)], self._clock.now_us))

    def stop(self) -> None:
        """BYE, and nothing after it."""
        self._say(self.core.broadcast.farewell(m.ByeCode.LEAVING, "the sender stops"))
        self._gone = True

    def snapshot(self) -> SenderSnapshot:
        """Statistics as of now."""
        width, height = self._size
        return self.core.counters.snapshot(
            self.core.broadcast,
            endpoint="",
            width=width,
            height=height,
            now_us=self._clock.now_us,
        )

    def _tick(self) -> None:
        if not self._gone:
            self._say(self.core.messages([], self._clock.now_us))
            self._clock.at(self._clock.now_us + TICK_US, self._tick)

    def _say(self, answers: Answers) -> None:
        for peer, data in answers.messages:
            self._peers[peer](data)

    def _capture(self) -> None:
        if self._gone:
            return
        now = self._clock.now_us
        self._clock.at(now + self._interval_us, self._capture)
        frame, self._number = self._picture(self._number), self._number + 1
        self.core.captured(now)
        if not self._busy:
            self._begin(frame, now)
            return
        if self._waiting is not None:
            self.core.replaced(now)
        self._waiting = frame, now

    def _begin(self, frame: Frame, captured_us: int) -> None:
        now = self._clock.now_us
        encode = self.core.plan(width=frame.width, height=frame.height, now_us=now)
        if encode is not None:
            self._busy = True
            self._encode(encode, 0, frame, captured_us)

    def _encode(self, encode: Encode, number: int, frame: Frame, captured_us: int) -> None:
        start_us, plan = self._clock.now_us, encode.plans[number]
        small = frame
        if (frame.width, frame.height) != (encode.width, encode.height):
            small = noise_frame(encode.width, encode.height)
        coded = self.core.encode(small, plan)

        def done() -> None:
            span = Span(captured_us, start_us, self._clock.now_us)
            out = self.core.coded(encode, plan, coded, span=span)
            if out is not None and coded is not None:
                key = self._epoch, out.sequence
                self.meant.setdefault(key, []).append(coded.reference.frame)
                self.captured_us[out.sequence] = captured_us
                for peer in out.peers:
                    head, rest = self.core.train(out, now_us=self._clock.now_us)
                    self.core.handed_over(peer, head, self._clock.now_us)
                    for message in (head, rest):
                        if message is not None:
                            self._peers[peer](pack(message))
            if number + 1 < len(encode.plans):
                self._encode(encode, number + 1, frame, captured_us)
                return
            self._busy = False
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                self._begin(*waiting)

        self._clock.at(start_us + ENCODE_US, done)


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame on a screen."""

    frame: Frame
    meta: FrameMeta


class Downstream:
    """What takes a stream: it has a clock of its own, and connects to whom may change."""

    core: ReceiverCore | FeedCore

    def __init__(self, clock: Clock, *, name: str, ahead_us: int) -> None:
        self._clock = clock
        self._ahead_us = ahead_us
        self._peer = name.encode()
        self._upstream: Upstream | None = None
        self._gone = False

    @property
    def now_us(self) -> int:
        """Its own clock."""
        return self._clock.now_us + self._ahead_us

    def connect(self, upstream: Upstream) -> None:
        """A connection stands."""
        self._upstream = upstream
        upstream.join(self._peer, lambda data: self._later(lambda: self._hear(upstream, data)))
        self._act(self.core.connected(self.now_us))

    def _act(self, results: Results) -> None:
        """Do what the core says; the messages are posted here."""
        upstream = self._upstream
        for _, data in results.messages:
            self._later(lambda data=data: upstream.hear(self._peer, data))  # type: ignore[misc,union-attr]

    def _hear(self, upstream: Upstream, data: bytes) -> None:
        if upstream is self._upstream and not self._gone:
            self._act(self.core.message(b"", data, self.now_us, encrypted=False))

    def _later(self, action: Callable[[], object]) -> None:
        self._clock.at(self._clock.now_us + WAY_US, action)


class ManualReceiver(Downstream):
    """Decodes, and shows on a screen that takes `sink_us` for a frame."""

    def __init__(
        self,
        clock: Clock,
        upstream: Upstream,
        *,
        name: str = "receiver",
        sink_us: int = 0,
        hold_us: int = 0,
        ahead_us: int = 0,
        boot_id: bytes = BOOT,
    ) -> None:
        super().__init__(clock, name=name, ahead_us=ahead_us)
        self.codec = FakeCodec()
        self.shown: list[Shown] = []
        self._sink_us = sink_us
        self._queue: deque[Arrival] = deque()
        self._decodes = self._shows = False
        codec = self.codec
        profile = Profile(
            codec.model_hash, codec.self_test(), "", name, crc32(name.encode()), boot_id, hold_us
        )
        self.core = ReceiverCore(profile, connects=True, codec=codec, now_us=self.now_us)
        self.connect(upstream)
        self._tick()

    def stop(self) -> None:
        """BYE, and nothing after it."""
        self._act(self.core.farewell())
        self._gone = True

    def snapshot(self) -> ReceiverSnapshot:
        """Statistics as of now."""
        return self.core.counters.snapshot(
            self.core, endpoint="", recorder_drops=0, now_us=self.now_us
        )

    def _tick(self) -> None:
        if not self._gone:
            self._act(self.core.tick(self.now_us))
            self._clock.at(self._clock.now_us + TICK_US, self._tick)

    def _act(self, results: Results) -> None:
        if results.started is not None:
            self._queue.clear()
        super()._act(results)
        self._queue += results.arrivals
        self._decode()

    def _decode(self) -> None:
        if self._decodes or not self._queue:
            return
        arrival, self._decodes, start_us = self._queue.popleft(), True, self.now_us

        def done() -> None:
            result = self.core.decode(arrival.packet)
            results = self.core.decoded(arrival, result, start_us=start_us, end_us=self.now_us)
            self._decodes = False
            self._act(results)
            if not isinstance(result, Undecodable):
                self._show()

        self._clock.at(self._clock.now_us + DECODE_US, done)

    def _show(self) -> None:
        if self._shows:
            return
        due = self.core.due(self.now_us)
        for ready in due.superseded:
            self._act(self.core.superseded(ready, self.now_us))
        if due.item is not None:
            self._show_one(due.item)
            return
        next_us = self.core.next_due_us()
        if next_us is not None:
            self._clock.at(next_us - self._ahead_us, self._show)

    def _show_one(self, ready: Ready) -> None:
        self._shows, begin_us = True, self.now_us

        def done() -> None:
            meta, results = self.core.shown(ready, begin_us=begin_us, end_us=self.now_us)
            self.shown.append(Shown(ready.frame, meta))
            self._shows = False
            self._act(results)
            self._show()

        self._clock.at(self._clock.now_us + self._sink_us, done)
