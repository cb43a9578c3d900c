# SPDX-License-Identifier: Apache-2.0
"""Every decision of a sender: what happens and when comes in, what to do goes out; pure.

A shell brings captured frames, messages and the time; it encodes, sends and waits as told. The
daemon does so with threads and sockets, the simulation in virtual time.

    captured frame --plan--> Encode --encode--> Coded --coded--> Outgoing --train--> messages
    message, tick --> Answers: messages to send, connections to cut

`encode` is the only slow call; it touches nothing but the coder, so that a shell may hold a lock
around all others and encode without it, in one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.protocol import messages as m
from services.protocol.broadcast import Answers, Broadcast
from services.protocol.offer import Offer
from services.protocol.planner import Plan, Rules
from services.protocol.train import split
from services.rate.budget import Congestion
from services.rate.congestion import CongestionController
from services.rate.enough import EnoughQuality
from services.rate.resolution import Resolution
from services.sender.coder import Coded, FrameCoder, most_bytes
from services.sender.counters import SenderCounters, SenderIdentity

if TYPE_CHECKING:
    from streamcodec.codec import Codec
    from streamcodec.frame import Frame

TICK_US = 50_000


@dataclass(frozen=True, slots=True)
class Encode:
    """Encode the frame at this size, once for each plan."""

    sequence: int
    width: int
    height: int
    plans: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """When a frame was captured and when its encoding began and ended."""

    captured_us: int
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Send this packet to these peers."""

    peers: tuple[bytes, ...]
    packet: bytes
    sequence: int
    span: Span


@dataclass(frozen=True, slots=True)
class SenderSetup:
    """What a sender is made of. `size` is that of the source's pictures; with `adapts` a link that
    is too thin for them gets smaller ones; `connects` for a sender that dials."""

    offer: Offer
    size: tuple[int, int]
    rules: Rules = field(default_factory=Rules)
    adapts: bool = True
    connects: bool = False
    name_of: Callable[[bytes], str | None] = lambda peer: None


class SenderCore:
    """State of one sender. Not thread-safe, see the module; `now_us` never decreases."""

    def __init__(
        self,
        setup: SenderSetup,
        *,
        codec: Codec,
        now_us: int,
        congestion: Callable[[], Congestion] | None = None,
    ) -> None:
        offer, rules = setup.offer, setup.rules
        self._size = setup.size
        self._epoch = offer.epoch
        self._interval_us = offer.frame_interval_us
        self._sequence = 0
        self._effort = ""
        self.skip_reason = ""  # of the frame that was skipped last
        self.broadcast = Broadcast(
            offer,
            rules,
            congestion=congestion or self._make_congestion,
            connects=setup.connects,
            size=setup.size,
            name_of=setup.name_of,
        )
        free = rules.kbps is None and rules.quality is None and rules.adaptive
        self._coder = FrameCoder(
            codec,
            frame_interval_us=self._interval_us,
            enough=EnoughQuality() if free else None,
        )
        self._resolution = Resolution(now_us, follows=setup.adapts)
        self.counters = SenderCounters(
            SenderIdentity(offer.stream, offer.epoch, now_us, self._interval_us)
        )
        self.wake_us = now_us  # when `tick` is due

    @property
    def resolution_changes(self) -> int:
        """How often the link changed the size of the picture."""
        return self._resolution.changes

    # -- frames --------------------------------------------------------------------------------

    def captured(self, now_us: int) -> None:
        """The source gave a frame."""
        self.counters.captured_one(now_us)

    def replaced(self, now_us: int) -> None:
        """A newer frame came before this one was planned: the machine is too slow."""
        self.counters.skipped("cpu" if self.broadcast.watching else "idle", now_us)

    def plan(self, *, width: int, height: int, now_us: int) -> Encode | None:
        """What becomes of a frame of that size; None when it is skipped, which `skip_reason`
        then explains."""
        width, height = self._resolution.step.size(width, height)
        plans = self.broadcast.planner.plan(
            width=width,
            height=height,
            encode_us=self._coder.encode_us,
            least_bytes=self._resolution.least_bytes,
            now_us=now_us,
        )
        if not plans.plans:
            self._skipped(plans.skipped, now_us)
            return None
        self._sequence = (self._sequence + 1) % 2**32
        return Encode(self._sequence, width, height, plans.plans)

    def encode(self, frame: Frame, plan: Plan) -> Coded | None:
        """The frame, fitted to the size that was asked for, as planned; None when nothing fits."""
        self._effort = self._coder.effort
        return self._coder.code(frame, plan)

    def coded(
        self, encode: Encode, plan: Plan, coded: Coded | None, *, span: Span
    ) -> Outgoing | None:
        """What `encode` gave, and when: the packet to send, if it is one."""
        if coded is None:
            self._skipped("bandwidth", span.end_us)
            return None
        encode_us = span.end_us - span.start_us
        self._coder.took(coded, encode_us)
        peers = self.broadcast.committed(
            plan,
            sequence=encode.sequence,
            digest=coded.reference.digest,
            size_bytes=len(coded.packet),
            now_us=span.end_us,
        )
        self._coder.keep(self.broadcast.planner.references())
        self.counters.encoded(
            coded,
            size=(encode.width, encode.height),
            reduced=(encode.width, encode.height) != self._size,
            target_bytes=plan.budget_bytes,
            encode_us=encode_us,
            effort=self._effort,
            now_us=span.end_us,
        )
        if self._resolution.coded(
            quality=coded.quality,
            limit=coded.limit,
            size_bytes=len(coded.packet),
            budget_bytes=plan.budget_bytes,
            now_us=span.end_us,
        ):
            self._resized(span.end_us)
        return Outgoing(peers, coded.packet, encode.sequence, span)

    def train(self, out: Outgoing, *, now_us: int) -> tuple[m.FrameHead, m.FrameRest | None]:
        """The messages of a packet that goes to a peer now."""
        return split(
            out.packet,
            epoch=self._epoch,
            sequence=out.sequence,
            captured_us=out.span.captured_us,
            encode_start_us=out.span.start_us,
            encode_end_us=out.span.end_us,
            sent_us=now_us,
        )

    def handed_over(self, peer: bytes, head: m.FrameHead, now_us: int) -> None:
        """The transport took all of a train."""
        self.broadcast.handed_over(peer, head)
        self.counters.packet_sent(head.size_bytes, now_us)

    def not_taken(self, peer: bytes, head: m.FrameHead, now_us: int, *, gone: bool) -> None:
        """The transport had no room for a train, or the peer is gone."""
        self.counters.send_failures += 1
        if gone:
            self.broadcast.lost(peer, now_us)
        else:
            self.broadcast.not_taken(peer, head.sequence)

    # -- peers ---------------------------------------------------------------------------------

    def messages(self, messages: Sequence[tuple[bytes, bytes]], now_us: int) -> Answers:
        """Messages came, each with its peer; and the timers, where they are due."""
        answers = Answers()
        for peer, data in messages:
            _add(answers, self.broadcast.on_message(peer, data, now_us))
        if now_us >= self.wake_us:
            self.wake_us = now_us + TICK_US
            _add(answers, self.broadcast.tick(now_us))
        return answers

    # -- inside --------------------------------------------------------------------------------

    def _skipped(self, reason: str, now_us: int) -> None:
        self.counters.skipped(reason, now_us)
        self.skip_reason = reason
        if reason == "bandwidth" and self._resolution.skipped(now_us):
            self._resized(now_us)

    def _resized(self, now_us: int) -> None:
        self.counters.resized(self._resolution.step.size(*self._size), now_us)

    def _make_congestion(self) -> Congestion:
        pixels = self._size[0] * self._size[1]
        return CongestionController(
            frame_interval_us=self._interval_us, max_bytes=most_bytes(pixels)
        )


def _add(answers: Answers, more: Answers) -> None:
    answers.messages += more.messages
    answers.cuts += more.cuts
    answers.latencies += more.latencies
    answers.reconnect |= more.reconnect
