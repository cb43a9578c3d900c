# SPDX-License-Identifier: Apache-2.0
"""Who may come in, and when: libzmq asks before it takes a byte of a new connection (ZAP, RFC 27).

With keys, the allow-list says who. After somebody was cut off, newcomers come in one after the
other for a while, each when the port's thread has seen the connection and nobody left more lying
than can be heard: else who comes back at once brings in what libzmq reads until that thread looks.
With CURVE an answer must not wait: libzmq aborts when a connection that has sent more is reset
meanwhile (docs/decisions/0010-hostile-peers.md). There who comes too soon is sent away.
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
_WARY_S = 30.0  # after a cut
_PATIENCE_S = 4.0  # below the handshake's: who waits longer is sent away, and comes again


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
    """Where newcomers wait. `wait` belongs to the gatekeeper, all else to the port; a cut may come
    from any thread."""

    def __init__(self, *, is_full: Callable[[], bool], wake: Callable[[], None]) -> None:
        self._is_full = is_full
        self._wake = wake
        self._turns = 0
        self._entered = -2  # the turn in which the last one came in
        self._closed = False
        self._wary_until_s = 0.0

    def has_cut(self) -> None:
        """Somebody was cut off."""
        self._wary_until_s = time.monotonic() + _WARY_S

    def turned(self) -> None:
        """The port has taken note of all connections that it was told of."""
        self._turns += 1

    def close(self) -> None:
        """Nobody comes in any more."""
        self._closed = True

    async def wait(self, *, at_once: bool) -> bool:
        """Until a newcomer may come in; False when it may not, or not `at_once`."""
        begin_s = time.monotonic()
        if begin_s > self._wary_until_s or self._closed:
            return not self._closed
        if at_once:
            if self._is_full() or self._turns < self._entered + 2:
                return False
            self._entered = self._turns
            return True
        first = self._turns  # a turn that has begun may be past the news of this connection
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
        """One newcomer: let in as the list says, or sent away, to try again."""
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
