# SPDX-License-Identifier: Apache-2.0
"""A sender and all its receivers: messages in, answers and the plan of the next frame out; pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from services.errors import RemoteProtocolError
from services.measure.events import StreamEvent
from services.measure.latency import Latency
from services.protocol import messages as m
from services.protocol.audience import NEVER_READY, Answering, Audience, Seats
from services.protocol.flood import FLOODS, FloodGate, Hearing
from services.protocol.offer import Offer
from services.protocol.packing import pack, unpack
from services.protocol.planner import Plan, Planner, Rules
from services.protocol.session import Announcer
from services.protocol.viewer import Viewer
from services.rate.budget import Congestion

MAX_VIEWERS = 64
MAX_OF_ONE_KEY = 16


@dataclass(slots=True)
class Answers:
    """Messages to send, and what was learnt about frames shown."""

    messages: list[tuple[bytes, bytes]] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)
    cuts: list[tuple[bytes, str]] = field(default_factory=list)  # peers whose connection is ended
    reconnect: bool = False  # our one connection is dead: make a new one

    def say(self, peer: bytes, message: m.Message) -> None:
        """Queue a message."""
        self.messages.append((peer, pack(message)))


class Broadcast(Audience[Viewer]):
    """State of the sender towards its receivers; `planner` decides what each frame becomes.

    A sender that `connects` has one peer, which gets PINGs until its HELLO comes.
    """

    def __init__(
        self,
        offer: Offer,
        rules: Rules,
        *,
        congestion: Callable[[], Congestion],
        connects: bool = False,
        size: tuple[int, int] = (0, 0),
        name_of: Callable[[bytes], str | None] = lambda peer: None,
    ) -> None:
        seats = Seats(
            *(MAX_VIEWERS, MAX_OF_ONE_KEY), "the sender serves {} receivers already: try a relay"
        )
        super().__init__(seats, name_of=name_of)
        self._offer = offer
        self._make_congestion = congestion
        self._announcer = Announcer() if connects else None
        self._former: OrderedDict[int, Viewer] = OrderedDict()  # by instance
        self._gate = FloodGate()
        self.planner = Planner(
            rules, self._members, frame_interval_us=offer.frame_interval_us, size=size
        )
        self.hostile = self.flooded = 0

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
            latency = self._dispatch(peer, unpack(data), now_us, answers)
            if latency is not None:
                answers.latencies.append(latency)
        except RemoteProtocolError as error:
            self.hostile += 1
            self.events.bad_message(now_us, str(error))
        return answers

    def tick(self, now_us: int) -> Answers:
        """Timers: PINGs, and receivers that fell silent. Call ten times a second."""
        answers = Answers()
        for viewer, why in self._tick(now_us, answers):
            if why != NEVER_READY:
                answers.cuts.append((viewer.peer, why))  # and what waits for it
                answers.reconnect = self._announcer is not None
        if self._announcer and not self._members and self._announcer.is_due(now_us):
            answers.say(b"", self._ping(now_us))
        return answers

    def disconnected(self, now_us: int) -> None:
        """Our only connection broke (a sender that connects)."""
        for viewer in list(self._members.values()):
            self._lose(viewer, now_us, "disconnected")

    def cut(self, reasons: Sequence[str], now_us: int) -> None:
        """Connections were cut, for these reasons."""
        self.events.connections_cut(now_us, reasons)

    def farewell(self, code: m.ByeCode, reason: str) -> Answers:
        """BYE to all, before closing; after the end of the stream to all who come, too."""
        answers = Answers()
        self._say_bye(code, reason, answers)
        return answers

    # -- the next frame ------------------------------------------------------------------------

    def committed(
        self, plan: Plan, *, sequence: int, digest: bytes, size_bytes: int, now_us: int
    ) -> tuple[bytes, ...]:
        """The plan became a packet; returns the peers that still want it."""
        if plan.reference is None:
            self.events.add(now_us, "keyframe", f"{size_bytes} bytes")
        return self.planner.committed(
            plan, sequence=sequence, digest=digest, size_bytes=size_bytes, now_us=now_us
        )

    def handed_over(self, peer: bytes, head: m.FrameHead) -> None:
        """The transport took this frame for this peer."""
        viewer = self._members.get(peer)
        if viewer is not None:
            viewer.handed_over(head)

    def not_taken(self, peer: bytes, sequence: int) -> None:
        """The transport had no room: the frame is lost to this peer, and so is its chain."""
        viewer = self._members.get(peer)
        if viewer is not None:
            viewer.not_taken(sequence)
            viewer.ask_keyframe()

    # -- what is known -------------------------------------------------------------------------

    @property
    def frames_in_flight(self) -> int:
        """Frames on their way to any screen."""
        return sum(viewer.credit.frames_in_flight for viewer in self._members.values())

    def recent_events(self) -> tuple[StreamEvent, ...]:
        """What happened lately, oldest first."""
        return self.events.snapshot()

    # -- inside --------------------------------------------------------------------------------

    def _offered(self) -> Offer:
        return self._offer

    def _welcome(self, offer: Offer) -> m.Welcome:
        width, height = self.planner.size
        return offer.welcome(width=width, height=height)

    def _admit(self, peer: bytes, hello: m.Hello, now_us: int) -> Viewer:
        former = self._former.pop(hello.instance, None)
        return Viewer(
            peer,
            hello,
            congestion=self._congestion_of(former, now_us),
            frame_interval_us=self._offer.frame_interval_us,
            now_us=now_us,
            held=self._held_by(former, hello),
            asker=(self._name_of(peer) or "").encode(),
        )

    def _unknown(self, peer: bytes, answers: Answering) -> None:
        if self._announcer is None:
            super()._unknown(peer, answers)

    def _forget(self, member: Viewer) -> None:
        super()._forget(member)
        self._former[member.instance] = member
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
        return former.decoded if former.decoded in self.planner.references() else None
