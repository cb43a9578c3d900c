# SPDX-License-Identifier: Apache-2.0
"""Admission of new connections: libzmq asks before it reads a byte of one (ZAP, RFC 27).

With keys, the allow-list decides. After a connection was cut, new ones are admitted one after the
other for a while, each once the port's thread has seen the one before and little waits to be handed
over: else a peer that reconnects at once adds what libzmq reads until that thread looks. With CURVE
an answer must not wait: libzmq aborts when a connection that has sent more is reset meanwhile
(docs/decisions/0010-hostile-peers.md). There a connection that comes too soon is refused.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import zmq
from zmq.auth.thread import ThreadAuthenticator

from services.wire.endpoint import Gate

ZAP_DOMAIN = "streamcodec"
_LOOK_S = 0.002
_CAUTIOUS_S = 30.0  # after a cut
_PATIENCE_S = 4.0  # below the handshake's: after that it is refused, and tries again


class FixedGate:
    """A list of keys that never changes; nobody has a name."""

    def __init__(self, allowed: frozenset[bytes]) -> None:
        self._allowed = allowed

    def refresh(self) -> None:
        """Nothing to do."""

    def name_of(self, key: bytes) -> str | None:
        """No name, "", of keys that are allowed; None of others."""
        return "" if key in self._allowed else None


class Entrance:
    """Where new connections wait for admission. `wait` belongs to the gatekeeper, all else to the
    port; a cut may come from any thread."""

    def __init__(self, *, is_full: Callable[[], bool], wake: Callable[[], None]) -> None:
        self._is_full = is_full
        self._wake = wake
        self._turns = 0
        self._entered = -2  # the turn in which the last one was admitted
        self._closed = False
        self._cautious_until_s = 0.0

    def has_cut(self) -> None:
        """A connection was cut."""
        self._cautious_until_s = time.monotonic() + _CAUTIOUS_S

    def turned(self) -> None:
        """The port has handled all connection events so far."""
        self._turns += 1

    def close(self) -> None:
        """Admit nobody any more."""
        self._closed = True

    async def wait(self, *, at_once: bool) -> bool:
        """Wait until a new connection is admitted; False when it is not, or not `at_once`."""
        begin_s = time.monotonic()
        if begin_s > self._cautious_until_s or self._closed:
            return not self._closed
        if at_once:
            if self._is_full() or self._turns < self._entered + 2:
                return False
            self._entered = self._turns
            return True
        first = self._turns  # the present turn may have read its events before this connection
        end_s = begin_s + _PATIENCE_S
        while self._turns < first + 2 or self._is_full():
            if self._closed or time.monotonic() > end_s:
                return False
            self._wake()
            await asyncio.sleep(_LOOK_S)
        return not self._closed


class Gatekeeper(ThreadAuthenticator):
    """Answers libzmq for one port, in a thread of its own. `gate` None: whoever comes."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], gate: Gate | None, entrance: Entrance
    ) -> None:
        super().__init__(context)
        self._entrance = entrance
        if gate is not None:
            self.configure_curve_callback(domain=ZAP_DOMAIN, credentials_provider=_Doorkeeper(gate))

    async def handle_zap_message(self, msg: list[bytes]) -> None:
        """One new connection: admitted by the allow-list, or refused for now."""
        if await self._entrance.wait(at_once=msg[5] == b"CURVE"):
            await super().handle_zap_message(msg)
        elif self.zap_socket is not None:
            version, request = msg[0], msg[1]
            self.zap_socket.send_multipart([version, request, b"300", b"too busy", b"", b""])


class _Doorkeeper:
    """The gatekeeper's thread asks it about the key (40 bytes of Z85) of each new connection."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def callback(self, domain: str, key: bytes) -> bool:
        self._gate.refresh()
        return domain == ZAP_DOMAIN and self._gate.name_of(key) is not None
