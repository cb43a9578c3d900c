# SPDX-License-Identifier: Apache-2.0
"""A sender and all its receivers: messages in, answers and the plan of the next frame out; pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from services.errors import RemoteProtocolError
from services.measure.events import EventLog, StreamEvent
from services.measure.latency import Latency
from services.measure.stats import ViewerSnapshot
from services.protocol import messages as m
from services.protocol.flood import FLOODS, FloodGate, Hearing
from services.protocol.offer import Offer
from services.protocol.planner import Plan, Planner, Plans, Rules
from services.protocol.session import SILENCE_US, Event, State
from services.protocol.viewer import Viewer
from services.rate.budget import Congestion

MAX_VIEWERS = 64
MAX_OF_ONE_KEY = 16
READY_US = 3_000_000  # from WELCOME to READY: it takes a round trip


@dataclass(slots=True)
class Answers:
    """Messages to send, and what was learnt about frames shown."""

    messages: list[tuple[bytes, bytes]] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    cuts: list[tuple[bytes, str]] = field(default_factory=list)  # peers whose connection is ended
    reconnect: bool = False  # our one connection is dead: make a new one

    def say(self, peer: bytes, message: m.Message) -> None:
        """Queue a message."""
        self.messages.append((peer, m.pack(message)))


class Broadcast:
    """State of the sender towards its receivers. Not thread-safe: the caller holds a lock.

    `knock` is set for a sender that connects: it has one peer, to which it sends a PING until
    a HELLO comes back. `name_of` tells the name of a peer's key, where there are keys: it counts
    more than what the peer calls itself.
    """

    def __init__(
        self,
        offer: Offer,
        rules: Rules,
        *,
        congestion: Callable[[], Congestion],
        now_us: int,
        knock: bool = False,
        size: tuple[int, int] = (0, 0),
        name_of: Callable[[bytes], str | None] = lambda peer: None,
    ) -> None:
        self._offer = offer
        self._make_congestion = congestion
        self._knock = knock
        self._name_of = name_of
        self._knocked_us = now_us - m.MAX_SPAN_US
        self._viewers: dict[bytes, Viewer] = {}
        self._former: OrderedDict[int, Viewer] = OrderedDict()  # by instance
        self._ping_number = 0
        self._last_refusal = ""
        self._gate = FloodGate()
        self._over = ""  # why the stream has ended
        self._planner = Planner(
            rules, self._viewers, frame_interval_us=offer.frame_interval_us, size=size
        )
        self.events = EventLog()
        self.hostile = 0
        self.flooded = self._cuts = 0
        self.stale = 0
        self.peers_lost = 0
        self.keyframe_requests = 0

    # -- what comes in -------------------------------------------------------------------------

    def on_message(self, peer: bytes, data: bytes, now_us: int) -> Answers:
        """Take one message from a peer. Never raises: bad messages are counted and dropped."""
        answers = Answers()
        hearing = self._gate.hear(peer, now_us)
        if hearing is not Hearing.HEARD:
            self.flooded += 1
            if hearing is Hearing.CUT:
                answers.cuts.append((peer, FLOODS))
            return answers
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
            if viewer.credit.silent_us(now_us) > SILENCE_US:
                self._lose(viewer, now_us, "no acknowledgement")
                answers.cuts.append((viewer.peer, "no acknowledgement"))  # and what waits for it
                answers.reconnect = self._knock
            elif viewer.liveness.silent(now_us):
                self._lose(viewer, now_us, "silent")
                answers.cuts.append((viewer.peer, "silent"))
                answers.reconnect = self._knock
            elif viewer.session.state is State.WELCOMED and now_us - viewer.since_us > READY_US:
                self._lose(viewer, now_us, "never ready")
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

    def ended(self, reasons: Sequence[str], now_us: int) -> None:
        """Connections were ended for what they did."""
        for reason in reasons:
            self._cuts += 1
            if self._cuts <= 10 or self._cuts % 100 == 0:
                self.events.add(now_us, "connection_cut", reason)

    def farewell(self, code: m.ByeCode, reason: str) -> Answers:
        """BYE to all, before closing; after the end of the stream to all who come, too."""
        answers = Answers()
        if code is m.ByeCode.END_OF_STREAM:
            self._over = reason
        for peer in self._viewers:
            answers.say(peer, m.Bye(code, reason))
        return answers

    def request_keyframe(self) -> None:
        """Make the next frame a keyframe for everybody."""
        self._planner.request_keyframe()

    # -- the next frame ------------------------------------------------------------------------

    def plan(
        self,
        *,
        width: int,
        height: int,
        encode_us: int,
        now_us: int,
        least_bytes: int | None = None,
    ) -> Plans:
        """Decide what a frame captured now becomes, see `Planner.plan`."""
        return self._planner.plan(
            width=width,
            height=height,
            encode_us=encode_us,
            now_us=now_us,
            least_bytes=least_bytes,
        )

    def committed(
        self, plan: Plan, *, sequence: int, digest: bytes, size_bytes: int, now_us: int
    ) -> tuple[bytes, ...]:
        """The plan became a packet; returns the peers that still want it."""
        if plan.reference is None:
            self.events.add(now_us, "keyframe", f"{size_bytes} bytes")
        return self._planner.committed(
            plan, sequence=sequence, digest=digest, size_bytes=size_bytes, now_us=now_us
        )

    def references(self) -> set[bytes]:
        """Digests of the references worth keeping; the caller may drop all others."""
        return self._planner.references()

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

    # -- what is known -------------------------------------------------------------------------

    @property
    def watching(self) -> int:
        """Receivers that take frames."""
        return sum(v.session.state is State.STREAMING for v in self._viewers.values())

    @property
    def frames_in_flight(self) -> int:
        """Frames on their way to any screen."""
        return sum(viewer.credit.frames_in_flight for viewer in self._viewers.values())

    def recent_events(self) -> tuple[StreamEvent, ...]:
        """What happened lately, oldest first."""
        return self.events.snapshot()

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
        hello = replace(hello, name=self._name_of(peer) or hello.name)
        refusal = self._offer.refusal(hello)
        if refusal:
            if peer in self._viewers:
                self._forget(self._viewers[peer])
            if refusal != self._last_refusal:  # it comes back each second
                self._last_refusal = refusal
                self.events.add(now_us, "refused", f"{hello.name}: {refusal}")
            answers.say(peer, m.Bye(m.ByeCode.REFUSED, refusal))
            return
        if self._over:
            answers.say(peer, m.Bye(m.ByeCode.END_OF_STREAM, self._over))
            return
        known = self._viewers.get(peer)
        if known and known.instance == hello.instance and known.session.state is State.WELCOMED:
            answers.say(peer, self._welcome())  # our WELCOME and its second HELLO crossed
            return
        for known in [v for v in self._viewers.values() if v.instance == hello.instance]:
            self._forget(known)
        if peer in self._viewers:
            self._forget(self._viewers[peer])
        busy = self._full(peer)
        if busy:
            answers.say(peer, m.Bye(m.ByeCode.BUSY, busy))
            return
        former = self._former.pop(hello.instance, None)
        self._viewers[peer] = Viewer(
            peer,
            hello,
            congestion=self._congestion_of(former, now_us),
            frame_interval_us=self._offer.frame_interval_us,
            now_us=now_us,
            held=self._held_by(former, hello),
            asker=(self._name_of(peer) or "").encode(),
        )
        answers.say(peer, self._welcome())

    def _full(self, peer: bytes) -> str:
        """Why there is no room for another receiver; "" while there is."""
        if len(self._viewers) >= MAX_VIEWERS:
            return f"the sender serves {MAX_VIEWERS} receivers already: try a relay"
        name = self._name_of(peer)
        if name and sum(self._name_of(p) == name for p in self._viewers) >= MAX_OF_ONE_KEY:
            return f"the key {name} has {MAX_OF_ONE_KEY} receivers here already"
        return ""

    def _welcome(self) -> m.Welcome:
        width, height = self._planner.size
        return self._offer.welcome(width=width, height=height)

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
                if message.reason is m.KeyframeReason.USER:
                    viewer.asked = True  # it goes on meanwhile
                else:
                    viewer.ask_keyframe()

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
        self._former[viewer.instance] = viewer
        while len(self._former) > MAX_VIEWERS:
            self._former.popitem(last=False)

    def _congestion_of(self, former: Viewer | None, now_us: int) -> Congestion:
        """Rate control for a receiver: one that returns starts from what its link could do."""
        if former is None:
            return self._make_congestion()
        former.congestion.on_reset(now_us)
        return former.congestion

    def _held_by(self, former: Viewer | None, hello: m.Hello) -> bytes | None:
        """A reference from which a receiver that returns can go on: what it decoded last.

        A relay begins with a keyframe, for the receivers behind it.
        """
        if former is None or not hello.model_hash or former.decoded is None:
            return None
        return former.decoded if former.decoded in self._planner.references() else None
