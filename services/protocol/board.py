# SPDX-License-Identifier: Apache-2.0
"""Several streams behind one address: each receiver gets the one that it names; pure.

HELLO names a stream and binds the receiver to its `Fanout`; all that follows goes there. A HELLO
for another stream moves it. Messages that break the rules are counted here, and a peer that sends
more than any honest one could is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.errors import RemoteProtocolError
from services.measure.events import EventLog, StreamEvent
from services.measure.stats import ViewerSnapshot
from services.protocol import messages as m
from services.protocol.fanout import Fanout, Outgoing, Replies
from services.protocol.flood import FLOODS, MAX_MESSAGES_PER_S, FloodGate, Hearing
from services.protocol.packing import unpack
from services.protocol.session import Announcer

_THE_PEER = b""  # of an end that connects


class Board:
    """Directs receivers to streams. Not thread-safe: the caller holds a lock.

    Where this end `connects`, its one peer gets PINGs until its HELLO comes.
    """

    def __init__(
        self,
        fanouts: Sequence[Fanout],
        *,
        max_messages_per_s: int = MAX_MESSAGES_PER_S,
        connects: bool = False,
    ) -> None:
        self.fanouts = tuple(fanouts)
        self._gate = FloodGate(max_messages_per_s)
        self._announcer = Announcer() if connects else None
        self._last_refusal = ""
        self.events = EventLog()
        self.hostile = self.flooded = 0

    def on_message(self, peer: bytes, data: bytes, now_us: int) -> Replies:
        """Take one message of a receiver. Never raises: bad messages are counted and dropped."""
        hearing = self._gate.hear(peer, now_us)
        if hearing is not Hearing.HEARD:
            self.flooded += 1
            cut = hearing is Hearing.CUT
            return Replies(cuts=[(peer, FLOODS)] if cut else [])
        try:
            return self._direct(peer, unpack(data), now_us)
        except RemoteProtocolError as error:
            self.hostile += 1
            self.events.bad_message(now_us, str(error))
            return Replies()

    def tick(self, now_us: int) -> Replies:
        """Timers of all streams. Call ten times a second."""
        replies = Replies()
        for fanout in self.fanouts:
            replies.add(fanout.tick(now_us))
        alone = not any(_THE_PEER in fanout for fanout in self.fanouts)
        if self._announcer and alone and self._announcer.is_due(now_us):
            replies.say(_THE_PEER, m.Ping(0, now_us))
        return replies

    def due(self, now_us: int) -> list[Outgoing]:
        """The packets that receivers take now, one each: call again until there are none."""
        return [outgoing for fanout in self.fanouts for outgoing in fanout.due(now_us)]

    def lost(self, peer: bytes, now_us: int) -> None:
        """The transport lost this peer."""
        for fanout in self.fanouts:
            fanout.lost(peer, now_us)

    def not_taken(self, peer: bytes, sequence: int) -> None:
        """The transport had no room for a frame: this peer's chain is broken."""
        for fanout in self.fanouts:
            fanout.not_taken(peer, sequence)

    def farewell(self, code: m.ByeCode, reason: str) -> Replies:
        """BYE to all receivers of all streams."""
        replies = Replies()
        for fanout in self.fanouts:
            replies.add(fanout.ended(code, reason))
        return replies

    def cut(self, reasons: Sequence[str], now_us: int) -> None:
        """Connections were cut, for these reasons."""
        self.events.connections_cut(now_us, reasons)

    # -- what is known -------------------------------------------------------------------------

    @property
    def stale(self) -> int:
        """Messages of former sessions."""
        return sum(fanout.stale for fanout in self.fanouts)

    @property
    def peers_lost(self) -> int:
        """Receivers that vanished."""
        return sum(fanout.peers_lost for fanout in self.fanouts)

    @property
    def keyframe_requests(self) -> int:
        """Of all receivers."""
        return sum(fanout.keyframe_requests for fanout in self.fanouts)

    def recent_events(self) -> tuple[StreamEvent, ...]:
        """Of all streams, in no order."""
        own = self.events.snapshot()
        return tuple(
            e for part in (own, *(f.events.snapshot() for f in self.fanouts)) for e in part
        )

    def snapshot(self) -> tuple[ViewerSnapshot, ...]:
        """Every receiver of every stream."""
        return tuple(viewer for fanout in self.fanouts for viewer in fanout.snapshot())

    # -- inside --------------------------------------------------------------------------------

    def _direct(self, peer: bytes, message: m.Message, now_us: int) -> Replies:
        serving = next((fanout for fanout in self.fanouts if peer in fanout), None)
        if not isinstance(message, m.Hello):
            return (serving or self.fanouts[0]).on_message(peer, message, now_us)
        wanted = self._named(message.stream)
        if wanted is None:
            return self._unknown(peer, message, now_us)
        if serving is not None and serving is not wanted:
            serving.left(peer)
        return wanted.on_message(peer, message, now_us)

    def _named(self, stream: str) -> Fanout | None:
        """Who serves a stream: by name; any, where none is asked for or there is only one."""
        if len(self.fanouts) == 1:
            return self.fanouts[0]  # refuses by itself what does not fit
        if not stream:
            return next((fanout for fanout in self.fanouts if fanout.offers), self.fanouts[0])
        return next((fanout for fanout in self.fanouts if fanout.stream == stream), None)

    def _unknown(self, peer: bytes, hello: m.Hello, now_us: int) -> Replies:
        replies = Replies()
        names = ", ".join(repr(fanout.stream) for fanout in self.fanouts)
        refusal = f"there is no stream {hello.stream!r} here, only {names}"[: m.MAX_REASON_CHARS]
        if refusal != self._last_refusal:  # it comes back each second
            self._last_refusal = refusal
            self.events.add(now_us, "refused", f"{hello.name}: {refusal}")
        replies.say(peer, m.Bye(m.ByeCode.REFUSED, refusal))
        return replies
