# SPDX-License-Identifier: Apache-2.0
"""A sender and all its receivers: messages in, answers and the plan of the next frame out; pure.

One encode serves every receiver that holds its reference. Both ends keep the last few references,
so a receiver that skips frames still shares one with the others, and the newest common one is used.
A receiver that shares none is served from one that it alone holds when there is time for a second
encode, else by a keyframe. Keyframes go to everybody, at most one per second: a keyframe for one
alone would part the chains for good.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from services.errors import RemoteProtocolError
from services.events import EventLog
from services.latency import Latency
from services.protocol import messages as m
from services.protocol.session import Event, State
from services.protocol.viewer import REFERENCES_HELD, Viewer
from services.rate import Congestion, FixedRate, Policy, share
from services.stats import ViewerSnapshot

KEYFRAME_INTERVAL_US = 1_000_000  # requests within this time share one keyframe
KEYFRAME_PATIENCE_US = 150_000  # how long a keyframe waits for receivers without credit
KEYFRAME_LINK_S = 0.08  # of the link's time that a keyframe may take, where one period is less
MAX_KEYFRAME_FLOOR_BYTES = 40_000
STALL_US = 1_000_000  # no ACK for this long, or four round trips, with bytes under way: lost
MAX_VIEWERS = 64
SECOND_ENCODE_SHARE = 0.8  # of a frame period that two encodes may take
MERGE_US = 5_000_000  # parted chains cost an encode each: a keyframe joins them after this
MAX_PINNED = 10  # old references kept for receivers that stand still


@dataclass(frozen=True, slots=True)
class Offer:
    """What this sender has to offer, and what it demands of a receiver."""

    epoch: int
    stream: str
    model_hash: bytes
    self_test: bytes
    size: str
    boot_id: bytes
    frame_interval_us: int


@dataclass(frozen=True, slots=True)
class Rules:
    """How budgets are made: fixed rate, fixed quality, congestion, and several receivers."""

    kbps: float | None = None
    quality: int | None = None
    adaptive: bool = True
    policy: Policy = Policy.SLOWEST
    floor_bytes: int = 600


@dataclass(frozen=True, slots=True)
class Plan:
    """One encode: for whom, from which reference (None: a keyframe), and within which limits."""

    viewers: tuple[bytes, ...]
    reference: bytes | None
    budget_bytes: int | None
    quality: int | None
    reason: str  # what limits it, for the statistics


@dataclass(frozen=True, slots=True)
class Plans:
    """What to do with a captured frame. No plans: skip it, for `skipped`."""

    plans: tuple[Plan, ...]
    skipped: str = ""


@dataclass(slots=True)
class Answers:
    """Messages to send, and what was learnt about frames shown."""

    messages: list[tuple[bytes, bytes]] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    reconnect: bool = False  # our one connection is dead: make a new one

    def say(self, peer: bytes, message: m.Message) -> None:
        """Queue a message."""
        self.messages.append((peer, m.pack(message)))


class Broadcast:
    """State of the sender towards its receivers. Not thread-safe: the caller holds a lock.

    `knock` is set for a sender that connects: it has one peer, to which it sends a PING until
    a HELLO comes back.
    """

    def __init__(
        self,
        offer: Offer,
        rules: Rules,
        *,
        congestion: Callable[[], Congestion],
        now_us: int,
        knock: bool = False,
    ) -> None:
        self._offer = offer
        self._rules = rules
        self._make_congestion = congestion
        self._knock = knock
        self._knocked_us = now_us - m.MAX_SPAN_US
        self._viewers: dict[bytes, Viewer] = {}
        self._former: OrderedDict[int, Congestion] = OrderedDict()  # by instance
        self._references: OrderedDict[bytes, None] = OrderedDict()
        self._size = (0, 0)
        self._key_asked = False
        self._key_wanted_us: int | None = None
        self._key_planned_us: int | None = None
        self._parted_us: int | None = None
        self._ping_number = 0
        self._fixed = (
            FixedRate(
                bits_per_s=round(rules.kbps * 1000), frame_interval_us=offer.frame_interval_us
            )
            if rules.kbps
            else None
        )
        self.events = EventLog()
        self.hostile = 0
        self.stale = 0
        self.peers_lost = 0
        self.keyframe_requests = 0

    # -- what comes in -------------------------------------------------------------------------

    def on_message(self, peer: bytes, data: bytes, now_us: int) -> Answers:
        """Take one message from a peer. Never raises: bad messages are counted and dropped."""
        answers = Answers()
        try:
            self._dispatch(peer, m.unpack(data), now_us, answers)
        except RemoteProtocolError as error:
            self.hostile += 1
            if self.hostile <= 10 or self.hostile % 1000 == 0:
                self.events.add(now_us, "bad_message", str(error))
        return answers

    def tick(self, now_us: int) -> Answers:
        """Timers: PINGs, knocking, and receivers that fell silent. Call ten times a second."""
        answers = Answers()
        for viewer in list(self._viewers.values()):
            stall_us = max(STALL_US, 4 * viewer.round_trip_us)
            if viewer.credit.silent_us(now_us) > stall_us:
                self._lose(viewer, now_us, "no acknowledgement")
                answers.reconnect = self._knock
            elif viewer.liveness.silent(now_us, round_trip_us=viewer.round_trip_us):
                self._lose(viewer, now_us, "silent")
                answers.reconnect = self._knock
            elif viewer.liveness.ping_due(now_us):
                answers.say(viewer.peer, self._ping(now_us))
        if self._knock and not self._viewers and now_us - self._knocked_us >= 200_000:
            self._knocked_us = now_us
            answers.say(b"", self._ping(now_us))
        return answers

    def lost(self, peer: bytes, now_us: int) -> None:
        """The transport says that this peer is gone."""
        if peer in self._viewers:
            self._lose(self._viewers[peer], now_us, "disconnected")

    def disconnected(self, now_us: int) -> None:
        """Our only connection broke (a sender that connects)."""
        for viewer in list(self._viewers.values()):
            self._lose(viewer, now_us, "disconnected")

    def farewell(self, code: m.ByeCode, reason: str) -> Answers:
        """BYE to all, before closing."""
        answers = Answers()
        for peer in self._viewers:
            answers.say(peer, m.Bye(code, reason))
        return answers

    def request_keyframe(self) -> None:
        """Make the next frame a keyframe for everybody."""
        self._key_asked = True

    # -- the next frame ------------------------------------------------------------------------

    def plan(self, *, width: int, height: int, encode_us: int, now_us: int) -> Plans:
        """Decide what a frame captured now becomes; `encode_us` is what one encode takes."""
        if (width, height) != self._size:
            self._size = (width, height)
            self._references.clear()
        streaming = [v for v in self._viewers.values() if v.session.state is State.STREAMING]
        if not streaming:
            return Plans((), "idle")
        ready = [viewer for viewer in streaming if viewer.credit.open()]
        keyframe = self._keyframe_due(ready, streaming, now_us)
        sizes, limits, refused = self._budgets(ready, encode_us, now_us, keyframe=keyframe)
        taking = share(sizes, self._rules.policy, floor_bytes=self._rules.floor_bytes)
        for viewer in streaming:
            if viewer.peer not in taking:
                viewer.frames_skipped += 1
        if not taking:
            return Plans((), refused if ready else "receiver")
        if keyframe:
            plan = self._make(tuple(taking), None, taking, limits, now_us)
            return Plans((plan,))
        return self._inter_plans(taking, limits, encode_us, now_us)

    def committed(
        self,
        plan: Plan,
        *,
        sequence: int,
        digest: bytes,
        size_bytes: int,
        now_us: int,
    ) -> tuple[bytes, ...]:
        """The plan became a packet; returns the peers that still want it."""
        if self._fixed is not None:
            self._fixed.spend(size_bytes)
        self._references[digest] = None
        if plan.reference is None:
            self._key_asked = False
            self._key_wanted_us = None
            self._key_planned_us = now_us
            self.events.add(now_us, "keyframe", f"{size_bytes} bytes")
        peers = []
        for peer in plan.viewers:
            viewer = self._viewers.get(peer)
            if viewer is None or viewer.session.state is not State.STREAMING:
                continue
            if plan.reference is None:
                viewer.needs_keyframe = False
            elif viewer.needs_keyframe:
                continue  # asked for a keyframe while this frame was coded
            viewer.sent(sequence, digest, size_bytes, now_us=now_us)
            peers.append(peer)
        keep = self.references()
        for old in [digest for digest in self._references if digest not in keep]:
            del self._references[old]
        return tuple(peers)

    def handed_over(self, peer: bytes, head: m.FrameHead) -> None:
        """The transport took this frame for this peer."""
        viewer = self._viewers.get(peer)
        if viewer is not None:
            viewer.handed_over(head)

    def refused(self, peer: bytes, sequence: int) -> None:
        """The transport had no room: the frame is lost to this peer, and so is its chain."""
        viewer = self._viewers.get(peer)
        if viewer is not None:
            viewer.credit.shown(sequence, service_us=0, now_us=0)
            viewer.ask_keyframe()

    def references(self) -> set[bytes]:
        """Digests of the references worth keeping; the caller may drop all others."""
        known = list(self._references)
        last = {viewer.held[-1] for viewer in self._viewers.values() if viewer.held}
        pinned = [digest for digest in known if digest in last]
        return {*known[-REFERENCES_HELD:], *pinned[-MAX_PINNED:]}

    # -- what is known -------------------------------------------------------------------------

    @property
    def watching(self) -> int:
        """Receivers that take frames."""
        return sum(v.session.state is State.STREAMING for v in self._viewers.values())

    @property
    def frames_in_flight(self) -> int:
        """Frames on their way to any screen."""
        return sum(viewer.credit.frames_in_flight for viewer in self._viewers.values())

    def snapshot(self) -> tuple[ViewerSnapshot, ...]:
        """Every receiver, in order of arrival."""
        return tuple(viewer.snapshot() for viewer in self._viewers.values())

    # -- inside --------------------------------------------------------------------------------

    def _dispatch(self, peer: bytes, message: m.Message, now_us: int, answers: Answers) -> None:
        viewer = self._viewers.get(peer)
        if viewer is not None:
            viewer.liveness.heard(now_us)
        match message:
            case m.Hello():
                self._hello(peer, message, now_us, answers)
            case m.Ping():
                answers.say(peer, m.Pong(message.number, message.sent_us, now_us, now_us))
                if viewer is None and not self._knock:
                    answers.say(peer, m.Bye(m.ByeCode.UNKNOWN, "say HELLO first"))
            case m.Pong():
                if viewer is not None:
                    viewer.pong(message, now_us=now_us)
            case m.Bye():
                if viewer is not None:
                    viewer.session.step(Event.BYE)
                    self._forget(viewer)
                    self.events.add(now_us, "left", f"{viewer.name}: {message.reason}")
            case m.Ready() | m.FrameAck() | m.FrameShown() | m.KeyframeRequest():
                if viewer is None or message.epoch != self._offer.epoch:
                    self.stale += 1
                    answers.say(peer, m.Bye(m.ByeCode.UNKNOWN, "say HELLO first"))
                else:
                    self._feedback(viewer, message, now_us, answers)
            case _:
                raise RemoteProtocolError(f"{type(message).__name__} came to a sender")

    def _hello(self, peer: bytes, hello: m.Hello, now_us: int, answers: Answers) -> None:
        refusal = self._refusal(hello)
        if refusal:
            if peer in self._viewers:
                self._forget(self._viewers[peer])
            self.events.add(now_us, "refused", f"{hello.name}: {refusal}")
            answers.say(peer, m.Bye(m.ByeCode.REFUSED, refusal))
            return
        known = self._viewers.get(peer)
        if known and known.instance == hello.instance and known.session.state is State.WELCOMED:
            answers.say(peer, self._welcome())  # our WELCOME and its second HELLO crossed
            return
        for former in [v for v in self._viewers.values() if v.instance == hello.instance]:
            self._forget(former)
        if peer in self._viewers:
            self._forget(self._viewers[peer])
        if len(self._viewers) >= MAX_VIEWERS:
            busy = f"the sender serves {MAX_VIEWERS} receivers already: try a relay"
            answers.say(peer, m.Bye(m.ByeCode.BUSY, busy))
            return
        self._viewers[peer] = Viewer(
            peer,
            hello,
            congestion=self._congestion_of(hello.instance, now_us),
            frame_interval_us=self._offer.frame_interval_us,
            now_us=now_us,
        )
        answers.say(peer, self._welcome())

    def _refusal(self, hello: m.Hello) -> str:
        """Why this receiver cannot be served; "" when it can."""
        offer = self._offer
        if m.VERSION not in hello.versions:
            return f"the sender speaks protocol version {m.VERSION} only: update the older end"
        if hello.stream and hello.stream != offer.stream:
            return f"there is no stream {hello.stream!r} here, only {offer.stream!r}"
        if hello.model_hash and hello.model_hash != offer.model_hash:
            return (
                f"the receiver has model {hello.model_hash.hex()}, the sender {offer.size} "
                f"{offer.model_hash.hex()}: use the same size and weights at both ends"
            )
        if hello.self_test and hello.self_test != offer.self_test:
            return (
                "the receiver's device computes other symbols than the sender's: "
                "run `streamcodec doctor` at both ends"
            )
        return ""

    def _welcome(self) -> m.Welcome:
        offer = self._offer
        return m.Welcome(
            epoch=offer.epoch,
            stream=offer.stream,
            model_hash=offer.model_hash,
            self_test=offer.self_test,
            size=offer.size,
            width=self._size[0],
            height=self._size[1],
            frame_interval_us=offer.frame_interval_us,
            boot_id=offer.boot_id,
        )

    def _feedback(
        self,
        viewer: Viewer,
        message: m.Ready | m.FrameAck | m.FrameShown | m.KeyframeRequest,
        now_us: int,
        answers: Answers,
    ) -> None:
        was = viewer.session.state
        if isinstance(message, m.Ready):
            if viewer.session.step(Event.READY) is not was:
                self.events.add(now_us, "connected", viewer.name)
            return
        viewer.session.step(Event.FEEDBACK)
        match message:
            case m.FrameAck():
                self.stale += not viewer.acknowledged(message, now_us=now_us)
            case m.FrameShown():
                latency = viewer.shown(message, now_us=now_us)
                if latency is not None:
                    answers.latencies.append(latency)
            case m.KeyframeRequest():
                viewer.keyframe_requests += 1
                self.keyframe_requests += 1
                viewer.ask_keyframe()

    def _keyframe_due(self, ready: list[Viewer], streaming: list[Viewer], now_us: int) -> bool:
        if not ready:
            return False
        if not self._references:
            return True
        wanted = self._key_asked or any(viewer.needs_keyframe for viewer in ready)
        if not wanted:
            self._key_wanted_us = None
            return False
        alone = all(viewer.needs_keyframe for viewer in streaming)
        recently = (
            self._key_planned_us is not None
            and now_us - self._key_planned_us < KEYFRAME_INTERVAL_US
        )
        # A receiver alone that comes anew need not wait, but one that asks and asks must.
        if recently and not (alone and not any(v.frames_sent for v in streaming)):
            return False
        # Whoever misses this keyframe loses the common chain: give everybody a moment.
        if self._key_wanted_us is None:
            self._key_wanted_us = now_us
        return len(ready) == len(streaming) or now_us - self._key_wanted_us > KEYFRAME_PATIENCE_US

    def _budgets(
        self, ready: list[Viewer], encode_us: int, now_us: int, *, keyframe: bool
    ) -> tuple[dict[bytes, int], dict[bytes, str], str]:
        """Size and limit of each receiver that takes this frame; why the others do not."""
        sizes: dict[bytes, int] = {}
        limits: dict[bytes, str] = {}
        refused = "keyframe"
        for viewer in ready:
            if viewer.needs_keyframe and not keyframe:
                continue
            if not self._rules.adaptive:
                sizes[viewer.peer], limits[viewer.peer] = m.MAX_PACKET_BYTES, "none"
                continue
            floor = None
            if keyframe:
                floor = int(viewer.congestion.capacity_bps / 8 * KEYFRAME_LINK_S)
                floor = max(self._rules.floor_bytes, min(floor, MAX_KEYFRAME_FLOOR_BYTES))
            budget = viewer.congestion.budget(now_us, encode_us=encode_us, floor_bytes=floor)
            if budget.size_bytes is None:
                refused = "bandwidth"
                continue
            sizes[viewer.peer], limits[viewer.peer] = budget.size_bytes, budget.reason
        return sizes, limits, refused

    def _inter_plans(
        self, taking: dict[bytes, int], limits: dict[bytes, str], encode_us: int, now_us: int
    ) -> Plans:
        left = set(taking)
        plans: list[Plan] = []
        while left:
            reference, holders = self._best_reference(left)
            if reference is None:
                break
            if plans and 2 * encode_us > SECOND_ENCODE_SHARE * self._offer.frame_interval_us:
                break
            plans.append(self._make(tuple(holders), reference, taking, limits, now_us))
            left -= holders
            if len(plans) == 2:
                break
        if len(plans) > 1 or len(plans[0].viewers if plans else ()) == self.watching:
            self._note_parting(len(plans) > 1, now_us)
        for peer in left:
            viewer = self._viewers[peer]
            viewer.frames_skipped += 1
            viewer.needs_keyframe = True
        return Plans(tuple(plans), "" if plans else "keyframe")

    def _note_parting(self, parted: bool, now_us: int) -> None:
        if not parted:
            self._parted_us = None
        elif self._parted_us is None:
            self._parted_us = now_us
        elif now_us - self._parted_us > MERGE_US:
            self._parted_us = None
            self._key_asked = True

    def _best_reference(self, peers: set[bytes]) -> tuple[bytes | None, set[bytes]]:
        """The newest reference that most of the peers hold, and who they are."""
        best: bytes | None = None
        holders: set[bytes] = set()
        for digest in reversed(self._references):
            having = {peer for peer in peers if digest in self._viewers[peer].held}
            if len(having) > len(holders):
                best, holders = digest, having
        return best, holders

    def _make(
        self,
        viewers: tuple[bytes, ...],
        reference: bytes | None,
        sizes: dict[bytes, int],
        limits: dict[bytes, str],
        now_us: int,
    ) -> Plan:
        size = min(sizes[peer] for peer in viewers)
        reason = next((limits[p] for p in viewers if sizes[p] == size), "none")
        if self._fixed is not None:
            fixed = self._fixed.budget_bytes(now_us, keyframe=reference is None)
            if fixed <= size:
                size, reason = fixed, "none"
        unlimited = size >= m.MAX_PACKET_BYTES
        return Plan(viewers, reference, None if unlimited else size, self._rules.quality, reason)

    def _ping(self, now_us: int) -> m.Ping:
        self._ping_number = (self._ping_number + 1) % 2**32
        return m.Ping(self._ping_number, now_us)

    def _lose(self, viewer: Viewer, now_us: int, why: str) -> None:
        viewer.session.step(Event.LOST)
        self._forget(viewer)
        self.peers_lost += 1
        self.events.add(now_us, "lost", f"{viewer.name}: {why}")

    def _forget(self, viewer: Viewer) -> None:
        self._viewers.pop(viewer.peer, None)
        self._former[viewer.instance] = viewer.congestion
        while len(self._former) > MAX_VIEWERS:
            self._former.popitem(last=False)

    def _congestion_of(self, instance: int, now_us: int) -> Congestion:
        """Rate control for a receiver: one that returns starts from what its link could do."""
        known = self._former.pop(instance, None)
        if known is None:
            return self._make_congestion()
        known.on_reset(now_us)
        return known
