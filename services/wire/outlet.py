# SPDX-License-Identifier: Apache-2.0
"""The socket towards receivers, driven by a `Board`: receives messages, sends what is due."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from services.protocol import messages as m
from services.protocol.board import Board
from services.protocol.fanout import Outgoing, Replies
from services.protocol.flood import FLOODS
from services.protocol.packing import pack
from services.wire.transport import ConnectionEvent, Port, SendResult

_TICK_US = 50_000
_ROUNDS = 4  # of sending in a turn: newcomers catch up, and nobody waits for them


class Tally(Protocol):
    """Counts what goes out; called under the lock."""

    malformed: int
    send_failures: int

    def refused_some(self, count: int, now_us: int) -> None: ...
    def sent(self, message_bytes: int, *, encrypted: bool, now_us: int) -> None: ...
    def packet_sent(self, packet_bytes: int, now_us: int) -> None: ...


class Outlet:
    """Serves all receivers of a relay or a replay.

    `turn` and `say_farewell` belong to one thread. The board and the tally are shared
    under `lock`; the owner opens and closes the port.
    """

    def __init__(
        self,
        port: Port,
        board: Board,
        *,
        tally: Tally,
        connects: bool,
        lock: threading.Lock,
        clock_us: Callable[[], int],
    ) -> None:
        self._port = port
        self._board = board
        self._tally = tally
        self._connects = connects
        self._lock = lock
        self._now_us = clock_us
        self._posted: list[tuple[bytes, m.Message]] = []
        self._ticked_us: int | None = None

    def turn(self, timeout_ms: int) -> bool:
        """Wait for messages, answer them, send what is due. True when some stream needs a
        keyframe from upstream (`Fanout.take_keyframe_request`)."""
        received = self._port.poll(timeout_ms)
        now = self._now_us()
        with self._lock:
            self._tally.malformed += received.malformed
            refused = received.events.count(ConnectionEvent.REFUSED) + len(received.cuts)
            self._tally.refused_some(refused, now)
            self._board.cut(received.cuts, now)
            posted, self._posted = self._posted, []
            replies = Replies(posted)
            lost_before = self._board.peers_lost
            if self._connects and ConnectionEvent.DISCONNECTED in received.events:
                self._board.lost(b"", now)
            for peer, data in received.messages:
                replies.add(self._board.on_message(peer, data, now))
            if self._ticked_us is None or now - self._ticked_us >= _TICK_US:
                self._ticked_us = now
                replies.add(self._board.tick(now))
            dead = self._connects and self._board.peers_lost > lost_before
        if dead:
            self._port.rebuild()
        for peer, why in replies.cuts:
            self._port.cut(peer, why, bar=why == FLOODS)
        self._say(replies)
        self._serve()
        return replies.wants_keyframe

    def post(self, replies: Replies) -> None:
        """Have messages sent in the next turn; the caller holds the lock."""
        self._posted += replies.messages

    def wake(self) -> None:
        """End the present wait of `turn`; any thread may call this."""
        self._port.wake()

    def say_farewell(self, code: m.ByeCode, reason: str) -> None:
        """BYE to all receivers, before the socket is closed."""
        with self._lock:
            replies = self._board.farewell(code, reason)
        self._say(replies)

    def _say(self, replies: Replies) -> None:
        for peer, message in replies.messages:
            self._send(peer, pack(message))

    def _serve(self) -> None:
        for _ in range(_ROUNDS):
            with self._lock:
                due = self._board.due(self._now_us())
            if not due:
                return
            for outgoing in due:
                sent = self._send(outgoing.peer, pack(outgoing.head))
                if sent is SendResult.SENT and outgoing.rest is not None:
                    sent = self._send(outgoing.peer, pack(outgoing.rest))
                self._handed_over(outgoing, sent)

    def _handed_over(self, outgoing: Outgoing, sent: SendResult) -> None:
        peer, head = outgoing.peer, outgoing.head
        with self._lock:
            now = self._now_us()
            if sent is SendResult.SENT:
                self._tally.packet_sent(head.size_bytes, now)
                return
            self._tally.send_failures += 1
            if sent is SendResult.FULL:
                self._board.not_taken(peer, head.sequence)
            else:
                self._board.lost(peer, now)

    def _send(self, peer: bytes, data: bytes) -> SendResult:
        sent = self._port.send(peer, data)
        if sent is SendResult.SENT:
            with self._lock:
                self._tally.sent(len(data), encrypted=self._port.encrypted, now_us=self._now_us())
        return sent
