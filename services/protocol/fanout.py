# SPDX-License-Identifier: Apache-2.0
"""A relay and all its receivers: one stream in, each receiver at its own pace out; pure.

A relay cannot encode, so a receiver either gets every packet of the chain in order or waits for a
keyframe. One is asked for upstream when somebody waits who cannot be served from the chain, as far
as `protocol.allotment` lets those who wait, and for those who are merely slow once in five seconds,
so that nobody's weakness is paid by all. `protocol.board` stands before it and tells it who says
what.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from services.errors import RemoteProtocolError
from services.measure.events import EventLog
from services.measure.stats import ViewerSnapshot
from services.protocol import messages as m
from services.protocol.allotment import Allotment
from services.protocol.chain import Chain, Link, link_of
from services.protocol.follower import LIVE, Follower, Pace
from services.protocol.offer import Offer
from services.protocol.session import SILENCE_US, Event, State
from services.protocol.train import Arrival, split
from streamcodec.errors import BitstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_FOLLOWERS = 1000
MAX_OF_ONE_KEY = 250
READY_US = 3_000_000  # from WELCOME to READY: it takes a round trip
UNDER_WAY_BYTES = 64 * 1024 * 1024  # to all receivers together
LEAST_UNDER_WAY_BYTES = 32 * 1024  # that each may have, however many there are
SLOW_KEYFRAME_INTERVAL_US = 5_000_000


@dataclass(slots=True)
class Replies:
    """Messages to send, and whether some stream has a wish to be told upstream (`take_wish`)."""

    messages: list[tuple[bytes, m.Message]] = field(default_factory=list)
    wants_keyframe: bool = False
    cuts: list[tuple[bytes, str]] = field(default_factory=list)  # peers whose connection is ended

    def say(self, peer: bytes, message: m.Message) -> None:
        """Queue a message."""
        self.messages.append((peer, message))

    def add(self, other: Replies) -> None:
        """Append what another part has to say."""
        self.messages += other.messages
        self.wants_keyframe |= other.wants_keyframe
        self.cuts += other.cuts


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A packet for one receiver."""

    peer: bytes
    head: m.FrameHead
    rest: m.FrameRest | None


class Fanout:
    """State of a relay towards the receivers of one stream. Not thread-safe: the caller holds a
    lock. `stream` is its name while nobody upstream has told one."""

    def __init__(
        self,
        *,
        boot_id: bytes,
        name_of: Callable[[bytes], str | None] = lambda peer: None,
        stream: str = "",
        pace: Pace = LIVE,
        chain: Chain | None = None,
    ) -> None:
        self._boot_id = boot_id
        self._name_of = name_of
        self._stream = stream
        self._pace = pace
        self._offer: Offer | None = None
        self._size = (0, 0)
        self._over = ""  # why the stream has ended
        self._followers: dict[bytes, Follower] = {}
        self._chain = Chain() if chain is None else chain
        self._stirred: dict[bytes, None] = {}  # receivers that may take a packet now
        self._key_asked_us: int | None = None
        self._allotment = Allotment()
        self._wish = False  # for a keyframe, not yet told upstream
        self._ping_number = 0
        self.events = EventLog()
        self.stale = self.peers_lost = self.keyframe_requests = 0

    # -- from upstream -------------------------------------------------------------------------

    def started(self, welcome: m.Welcome) -> Replies:
        """Upstream (re)starts a stream: every receiver is welcomed to it anew."""
        self._offer = Offer(
            epoch=welcome.epoch,
            stream=welcome.stream,
            model_hash=welcome.model_hash,
            self_test=welcome.self_test,
            size=welcome.size,
            boot_id=self._boot_id,
            frame_interval_us=welcome.frame_interval_us,
        )
        self._size = (welcome.width, welcome.height)
        self._over = ""
        self._chain.clear()
        self._key_asked_us = None
        replies = Replies()
        for follower in self._followers.values():
            follower.start_over()
            follower.credit.clear()
            replies.say(follower.peer, self._welcome(self._offer))
        return replies

    def arrived(self, arrival: Arrival, *, captured_us: int, error_us: int = 0) -> bool:
        """A packet came; `captured_us` is on our clock, to within `error_us`.

        False when it is no packet at all.
        """
        try:
            link = link_of(arrival, captured_us=captured_us, error_us=error_us)
        except BitstreamError:
            return False
        self._chain.append(link)
        self._stirred = dict.fromkeys(self._followers)
        return True

    def ended(self, code: m.ByeCode, reason: str) -> Replies:
        """The stream is over, or the relay stops: BYE to all, and to who comes after its end."""
        replies = Replies()
        if code is m.ByeCode.END_OF_STREAM:
            self._over = reason
        for peer in self._followers:
            replies.say(peer, m.Bye(code, reason))
        self._followers.clear()
        self._chain.clear()
        return replies

    # -- from receivers ------------------------------------------------------------------------

    def on_message(self, peer: bytes, message: m.Message, now_us: int) -> Replies:
        """Take one message of a receiver. Raises RemoteProtocolError where it breaks the rules."""
        replies = Replies()
        self._stirred[peer] = None
        self._dispatch(peer, message, now_us, replies)
        return replies

    def tick(self, now_us: int) -> Replies:
        """Timers: PINGs, receivers that fell silent, keyframes. Call ten times a second."""
        replies = Replies()
        for follower in list(self._followers.values()):
            if why := _gone(follower, now_us):
                self._lose(follower, now_us, why)
                replies.cuts.append((follower.peer, why))  # and what waits for it
            elif follower.liveness.ping_due(now_us):
                self._ping_number = (self._ping_number + 1) % 2**32
                replies.say(follower.peer, m.Ping(self._ping_number, now_us))
        self._stirred = dict.fromkeys(self._followers)
        if self._keyframe_due(now_us):
            replies.wants_keyframe = self._wish = True
        return replies

    def take_wish(self) -> bool:
        """True once after a keyframe became due: ask for it upstream."""
        wish, self._wish = self._wish, False
        return wish

    def lost(self, peer: bytes, now_us: int) -> None:
        """The transport says that this peer is gone."""
        if peer in self._followers:
            self._lose(self._followers[peer], now_us, "disconnected")

    def left(self, peer: bytes) -> None:
        """This peer wants another stream from now on."""
        self._followers.pop(peer, None)

    def refused(self, peer: bytes) -> None:
        """The transport had no room for a frame: this peer's chain is broken."""
        if peer in self._followers:
            self._followers[peer].fall_behind()

    def due(self, now_us: int) -> list[Outgoing]:
        """The packets that receivers take now, one each: call again until there are none."""
        if self._offer is None:
            return []
        epoch, found = self._offer.epoch, []
        most_bytes = max(LEAST_UNDER_WAY_BYTES, UNDER_WAY_BYTES // max(1, len(self._followers)))
        stirred, self._stirred = self._stirred, {}
        for peer in stirred:
            follower = self._followers.get(peer)
            if follower is None:
                continue
            link = follower.next_link(self._chain, now_us, most_bytes=most_bytes)
            if link is not None:
                outgoing = _train(link, peer, epoch=epoch, now_us=now_us)
                follower.sent(outgoing.head, now_us=now_us)
                found.append(outgoing)
                self._stirred[peer] = None  # it may take the next as well
        return found

    def snapshot(self) -> tuple[ViewerSnapshot, ...]:
        """Every receiver, in order of arrival."""
        return tuple(follower.snapshot() for follower in self._followers.values())

    def __contains__(self, peer: bytes) -> bool:
        return peer in self._followers

    @property
    def stream(self) -> str:
        """The name of the stream; "" while it is not known."""
        return self._offer.stream if self._offer else self._stream

    @property
    def offers(self) -> bool:
        """True while there is a stream, or was one."""
        return self._offer is not None

    @property
    def watching(self) -> int:
        """Receivers that take frames."""
        return sum(f.session.state is State.STREAMING for f in self._followers.values())

    @property
    def is_settled(self) -> bool:
        """True when every receiver has shown all it can get."""
        return all(follower.is_settled(self._chain) for follower in self._followers.values())

    @property
    def cached_bytes(self) -> int:
        """Of the chain that is kept."""
        return self._chain.size_bytes

    # -- inside --------------------------------------------------------------------------------

    def _dispatch(self, peer: bytes, message: m.Message, now_us: int, replies: Replies) -> None:
        follower = self._followers.get(peer)
        if follower is not None:
            follower.liveness.heard(now_us)
        match message:
            case m.Hello():
                self._hello(peer, message, now_us, replies)
            case m.Ping():
                replies.say(peer, m.Pong(message.number, message.sent_us, now_us, now_us))
                if follower is None:
                    replies.say(peer, m.Bye(m.ByeCode.UNKNOWN, "say HELLO first"))
            case m.Pong() | m.Bye():
                if follower is not None:
                    self._aside(follower, message, now_us)
            case m.Ready() | m.FrameAck() | m.FrameShown() | m.KeyframeRequest():
                if follower is None or self._offer is None or message.epoch != self._offer.epoch:
                    self.stale += 1
                    if follower is None:
                        replies.say(peer, m.Bye(m.ByeCode.UNKNOWN, "say HELLO first"))
                else:
                    self._feedback(follower, message, now_us)
            case _:
                raise RemoteProtocolError(f"{type(message).__name__} came to a relay")

    def _aside(self, follower: Follower, message: m.Pong | m.Bye, now_us: int) -> None:
        if isinstance(message, m.Bye):
            self._forget(follower)
            self.events.add(now_us, "left", f"{follower.name}: {message.reason}")
            return
        follower.clock.add(
            sent_us=message.ping_us,
            received_us=message.received_us,
            returned_us=message.sent_us,
            now_us=now_us,
        )

    def _hello(self, peer: bytes, hello: m.Hello, now_us: int, replies: Replies) -> None:
        if self._offer is None:
            return  # it asks again, and by then there may be a stream
        hello = replace(hello, name=self._name_of(peer) or hello.name)
        refusal = self._offer.refusal(hello)
        if refusal:
            self.events.add(now_us, "refused", f"{hello.name}: {refusal}")
            replies.say(peer, m.Bye(m.ByeCode.REFUSED, refusal))
            return
        if self._over:
            replies.say(peer, m.Bye(m.ByeCode.END_OF_STREAM, self._over))
            return
        known = self._followers.get(peer)
        if known and known.instance == hello.instance and known.session.state is State.WELCOMED:
            replies.say(peer, self._welcome(self._offer))
            return
        for former in [f for f in self._followers.values() if f.instance == hello.instance]:
            self._forget(former)
        busy = self._full(peer)
        if busy:
            replies.say(peer, m.Bye(m.ByeCode.BUSY, busy))
            return
        self._followers[peer] = Follower(
            peer,
            hello,
            frame_interval_us=self._offer.frame_interval_us,
            now_us=now_us,
            pace=self._pace,
            asker=(self._name_of(peer) or "").encode(),
        )
        replies.say(peer, self._welcome(self._offer))

    def _full(self, peer: bytes) -> str:
        """Why there is no room for another receiver; "" while there is."""
        if len(self._followers) >= MAX_FOLLOWERS:
            return f"this relay serves {MAX_FOLLOWERS} receivers already: use another"
        name = self._name_of(peer)
        if name and sum(self._name_of(p) == name for p in self._followers) >= MAX_OF_ONE_KEY:
            return f"the key {name} has {MAX_OF_ONE_KEY} receivers here already"
        return ""

    def _feedback(
        self,
        follower: Follower,
        message: m.Ready | m.FrameAck | m.FrameShown | m.KeyframeRequest,
        now_us: int,
    ) -> None:
        was = follower.session.state
        if isinstance(message, m.Ready):
            if follower.session.step(Event.READY) is not was:
                self.events.add(now_us, "connected", follower.name)
            return
        follower.session.step(Event.FEEDBACK)
        match message:
            case m.FrameAck():
                self.stale += not follower.acknowledged(message, now_us=now_us)
            case m.FrameShown():
                follower.shown(message, now_us=now_us)
            case m.KeyframeRequest():
                self.keyframe_requests += 1
                follower.requested(message, now_us=now_us)

    def _keyframe_due(self, now_us: int) -> bool:
        waiting = [f for f in self._followers.values() if f.waits_for_new(self._chain)]
        if not waiting or self._offer is None:
            return False
        granted = [f for f in waiting if self._allotment.allows(f.asker, now_us)]
        if not granted:
            return False
        slow = all(follower.fell_behind for follower in granted)
        asked_us = self._key_asked_us
        if slow and asked_us is not None and now_us - asked_us < SLOW_KEYFRAME_INTERVAL_US:
            return False
        self._key_asked_us = now_us
        self._allotment.took([follower.asker for follower in waiting], now_us)
        return True

    def _welcome(self, offer: Offer) -> m.Welcome:
        return offer.welcome(width=self._size[0], height=self._size[1])

    def _lose(self, follower: Follower, now_us: int, why: str) -> None:
        self._forget(follower)
        self.peers_lost += 1
        self.events.add(now_us, "lost", f"{follower.name}: {why}")

    def _forget(self, follower: Follower) -> None:
        self._followers.pop(follower.peer, None)


def _gone(follower: Follower, now_us: int) -> str:
    """Why a receiver is taken for lost; "" while it is not."""
    if follower.session.state is State.WELCOMED and now_us - follower.since_us > READY_US:
        return "never ready"
    if follower.credit.silent_us(now_us) > SILENCE_US:
        return "no acknowledgement"
    if follower.liveness.silent(now_us):
        return "silent"
    return ""


def _train(link: Link, peer: bytes, *, epoch: int, now_us: int) -> Outgoing:
    """The messages of a packet, as if it had been sent from here: all times are on our clock."""
    head, rest = split(
        link.packet,
        epoch=epoch,
        sequence=link.sequence,
        captured_us=link.captured_us,
        encode_start_us=link.encode_start_us,
        encode_end_us=link.encode_end_us,
        sent_us=max(now_us, link.encode_end_us),
        error_us=link.error_us,
    )
    return Outgoing(peer, head, rest)
