# SPDX-License-Identifier: Apache-2.0
"""A relay and all its receivers: one stream in, each receiver as it can take it; pure.

A relay cannot encode, so a receiver either gets every packet of the chain in order or waits for a
keyframe. One is asked for upstream when somebody waits who cannot be served from the chain, within
the rate limit of `protocol.allotment`; for receivers that are merely slow once in five seconds,
since a keyframe costs everybody. `protocol.board` directs messages to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.protocol import messages as m
from services.protocol.allotment import Allotment
from services.protocol.audience import Answering, Audience, Seats
from services.protocol.chain import Chain, ChainedPacket, chained
from services.protocol.follower import LIVE, CatchUp, Follower
from services.protocol.offer import Offer
from services.protocol.train import Arrival, split
from streamcodec.errors import BitstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_FOLLOWERS = 1000
MAX_OF_ONE_KEY = 250
UNDER_WAY_BYTES = 64 * 1024 * 1024  # to all receivers together
LEAST_UNDER_WAY_BYTES = 32 * 1024  # that each may have, however many there are
SLOW_KEYFRAME_INTERVAL_US = 5_000_000


@dataclass(slots=True)
class Replies:
    """Messages to send, and whether some stream needs a keyframe from upstream
    (`take_keyframe_request`)."""

    messages: list[tuple[bytes, m.Message]] = field(default_factory=list)
    wants_keyframe: bool = False
    cuts: list[tuple[bytes, str]] = field(default_factory=list)  # peers whose connection is ended

    def say(self, peer: bytes, message: m.Message) -> None:
        """Queue a message."""
        self.messages.append((peer, message))

    def add(self, other: Replies) -> None:
        """Append those of another part."""
        self.messages += other.messages
        self.wants_keyframe |= other.wants_keyframe
        self.cuts += other.cuts


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A packet for one receiver."""

    peer: bytes
    head: m.FrameHead
    rest: m.FrameRest | None


class Fanout(Audience[Follower]):
    """State of a relay towards the receivers of one stream. `stream` is its name while nobody
    upstream has told one."""

    def __init__(
        self,
        *,
        boot_id: bytes,
        name_of: Callable[[bytes], str | None] = lambda peer: None,
        stream: str = "",
        catch_up: CatchUp = LIVE,
        chain: Chain | None = None,
    ) -> None:
        seats = Seats(
            *(MAX_FOLLOWERS, MAX_OF_ONE_KEY),
            "this relay serves {} receivers already: use another",
        )
        super().__init__(seats, name_of=name_of)
        self._boot_id = boot_id
        self._stream = stream
        self._catch_up = catch_up
        self._offer: Offer | None = None
        self._size = (0, 0)
        self._chain = Chain() if chain is None else chain
        self._maybe_due: dict[bytes, None] = {}  # receivers that may take a packet now
        self._key_asked_us: int | None = None
        self._allotment = Allotment()
        self._keyframe_requested = False  # and not yet asked for upstream

    # -- from upstream -------------------------------------------------------------------------

    def started(self, welcome: m.Welcome) -> Replies:
        """Upstream (re)starts a stream: every receiver gets a new WELCOME.

        In the same epoch frames may come again. What is under way to a receiver stays so: its
        reports on the first sending are still to come.
        """
        continues = self._offer is not None and self._offer.epoch == welcome.epoch
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
        for follower in self._members.values():
            follower.start_over()
            if not continues:
                follower.new_epoch()
            replies.say(follower.peer, self._welcome(self._offer))
        return replies

    def arrived(self, arrival: Arrival, *, captured_us: int, error_us: int = 0) -> bool:
        """A packet came; `captured_us` is on our clock, to within `error_us`.

        False when it is no packet at all.
        """
        try:
            packet = chained(arrival, captured_us=captured_us, error_us=error_us)
        except BitstreamError:
            return False
        self._chain.append(packet)
        self._maybe_due = dict.fromkeys(self._members)
        return True

    def ended(self, code: m.ByeCode, reason: str) -> Replies:
        """The stream is over, or the relay stops: BYE to all, and to who comes after its end."""
        replies = Replies()
        self._say_bye(code, reason, replies)
        self._members.clear()
        self._chain.clear()
        return replies

    # -- from receivers ------------------------------------------------------------------------

    def on_message(self, peer: bytes, message: m.Message, now_us: int) -> Replies:
        """Take one message of a receiver. Raises RemoteProtocolError where it breaks the rules."""
        replies = Replies()
        self._maybe_due[peer] = None
        self._dispatch(peer, message, now_us, replies)
        return replies

    def tick(self, now_us: int) -> Replies:
        """Timers: PINGs, receivers that fell silent, keyframes. Call ten times a second."""
        replies = Replies()
        for follower, why in self._tick(now_us, replies):
            replies.cuts.append((follower.peer, why))  # and what waits for it
        self._maybe_due = dict.fromkeys(self._members)
        if self._keyframe_due(now_us):
            replies.wants_keyframe = self._keyframe_requested = True
        return replies

    def take_keyframe_request(self) -> bool:
        """True once after a keyframe became due: ask for it upstream."""
        requested, self._keyframe_requested = self._keyframe_requested, False
        return requested

    def left(self, peer: bytes) -> None:
        """This peer wants another stream from now on."""
        self._members.pop(peer, None)

    def not_taken(self, peer: bytes, sequence: int) -> None:
        """The transport had no room for a frame: this peer's chain is broken."""
        follower = self._members.get(peer)
        if follower is not None:
            follower.not_taken(sequence)
            follower.fall_behind()

    def due(self, now_us: int) -> list[Outgoing]:
        """The packets that receivers take now, one each: call again until there are none."""
        if self._offer is None:
            return []
        epoch, found = self._offer.epoch, []
        most_bytes = max(LEAST_UNDER_WAY_BYTES, UNDER_WAY_BYTES // max(1, len(self._members)))
        maybe_due, self._maybe_due = self._maybe_due, {}
        for peer in maybe_due:
            follower = self._members.get(peer)
            if follower is None:
                continue
            packet = follower.next_packet(self._chain, now_us, most_bytes=most_bytes)
            if packet is not None:
                outgoing = _train(packet, peer, epoch=epoch, now_us=now_us)
                follower.sent(outgoing.head, now_us=now_us)
                found.append(outgoing)
                self._maybe_due[peer] = None  # it may take the next as well
        return found

    def __contains__(self, peer: bytes) -> bool:
        return peer in self._members

    @property
    def stream(self) -> str:
        """The name of the stream; "" while it is not known."""
        return self._offer.stream if self._offer else self._stream

    @property
    def offers(self) -> bool:
        """True while there is a stream, or was one."""
        return self._offer is not None

    @property
    def is_settled(self) -> bool:
        """True when every receiver has shown all it can get."""
        return all(follower.is_settled(self._chain) for follower in self._members.values())

    @property
    def cached_bytes(self) -> int:
        """Of the chain that is kept."""
        return self._chain.size_bytes

    # -- inside --------------------------------------------------------------------------------

    def _offered(self) -> Offer | None:
        return self._offer

    def _welcome(self, offer: Offer) -> m.Welcome:
        return offer.welcome(width=self._size[0], height=self._size[1])

    def _admit(self, peer: bytes, hello: m.Hello, now_us: int) -> Follower:
        assert self._offer is not None
        return Follower(
            peer,
            hello,
            frame_interval_us=self._offer.frame_interval_us,
            now_us=now_us,
            catch_up=self._catch_up,
            asker=(self._name_of(peer) or "").encode(),
        )

    def _out_of_time(self, peer: bytes, answers: Answering) -> None:
        """Receivers that are there got a new WELCOME when upstream began again."""
        self.stale += 1
        if peer not in self._members:
            self._unknown(peer, answers)

    def _keyframe_due(self, now_us: int) -> bool:
        waiting = [f for f in self._members.values() if f.waits_for_new(self._chain)]
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


def _train(packet: ChainedPacket, peer: bytes, *, epoch: int, now_us: int) -> Outgoing:
    """The messages of a packet, as if it had been sent from here: all times are on our clock."""
    head, rest = split(
        packet.data,
        epoch=epoch,
        sequence=packet.sequence,
        captured_us=packet.captured_us,
        encode_start_us=packet.encode_start_us,
        encode_end_us=packet.encode_end_us,
        sent_us=max(now_us, packet.encode_end_us),
        error_us=packet.error_us,
    )
    return Outgoing(peer, head, rest)
