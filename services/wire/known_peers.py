# SPDX-License-Identifier: Apache-2.0
"""What a port knows of its peers: over which connection and with which key each one speaks, and
from whom messages are dropped; pure.

A peer chooses its routing id, but not its key. libzmq tells the descriptor of a connection, a
number that a newcomer may get when it is closed.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from services.wire.endpoint import Gate
from services.wire.ledger import Cut

_MOST = 4096
_BARRED_US = 10_000_000
_GATE_REFRESH_US = 500_000
T = TypeVar("T")


class KnownPeers:
    """Not thread-safe, but for `has_cut`. `gate` None: no keys. `listens`: a connection that comes
    back is another peer."""

    def __init__(self, gate: Gate | None, *, listens: bool) -> None:
        self._gate = gate
        self._listens = listens
        self._refreshed_us: int | None = None
        self._keys: OrderedDict[bytes, bytes] = OrderedDict()  # by peer, from its last message
        self._numbers: OrderedDict[bytes, int] = OrderedDict()  # its descriptor, likewise
        self._barred: dict[bytes, int] = {}  # keys, until when; no more than are allowed
        self._gone: OrderedDict[bytes, None] = OrderedDict()  # peers that are not heard any more
        self._cuts: list[Cut] = []
        self._cut_numbers: set[int] = set()  # that no new connection has got since
        self._cut_reasons: list[str] = []  # to be told

    # -- connections ---------------------------------------------------------------------------

    def has_cut(self, cut: Cut) -> None:
        """A connection was cut; any thread may call this."""
        self._cuts.append(cut)

    def forget_cut(self) -> None:
        """Hear nobody any more whose connection was cut."""
        while self._cuts:
            cut = self._cuts.pop(0)
            self._cut_reasons.append(cut.reason)
            self._cut_numbers.add(cut.number)
            for peer in [p for p, n in self._numbers.items() if n == cut.number]:
                self.forget(peer)

    def take_cut_reasons(self) -> tuple[str, ...]:
        """Why connections were cut since the last call."""
        reasons, self._cut_reasons[:] = tuple(self._cut_reasons), ()
        return reasons

    def connected(self, number: int) -> None:
        """A new connection has this descriptor."""
        self.forget_cut()
        self._cut_numbers.discard(number)

    def was_cut(self, number: int) -> bool:
        """True for what is left of a connection that was cut, as far as we know: its descriptor
        may be that of a newcomer already."""
        return number in self._cut_numbers

    # -- peers ---------------------------------------------------------------------------------

    def speaks(self, peer: bytes, number: int) -> None:
        """A message came over that connection."""
        _remember(self._numbers, peer, number)

    def number_of(self, peer: bytes) -> int | None:
        """The descriptor of its connection; None where it is not known."""
        return self._numbers.get(peer)

    def forget(self, peer: bytes) -> int | None:
        """Hear it no more; the descriptor of its connection, where it is known."""
        number = self._numbers.pop(peer, None)
        if number is not None and self._listens:
            _remember(self._gone, peer, None)
        return number

    def is_gone(self, peer: bytes) -> bool:
        """True for one that is not heard any more."""
        return peer in self._gone

    # -- keys ----------------------------------------------------------------------------------

    def refresh(self, now_us: int) -> None:
        """Ask the gate now and then who is allowed."""
        asked_us = self._refreshed_us
        if self._gate is None or (asked_us is not None and now_us - asked_us < _GATE_REFRESH_US):
            return
        self._refreshed_us = now_us
        self._gate.refresh()

    def has_key(self, peer: bytes, key: bytes) -> None:
        """Its last message came with this key."""
        _remember(self._keys, peer, key)

    def name_of(self, peer: bytes) -> str | None:
        """The name of a peer's key; None without keys, and once the key is not allowed any more."""
        return None if self._gate is None else self._gate.name_of(self._keys.get(peer, b""))

    def bar(self, peer: bytes, now_us: int) -> None:
        """Let its key be refused for a while."""
        if self._gate is not None:
            self._barred[self._keys.get(peer, b"")] = now_us + _BARRED_US

    def is_barred(self, peer: bytes, now_us: int) -> bool:
        """True while its key is."""
        return self._barred.get(self._keys.get(peer, b""), 0) > now_us


def _remember(table: OrderedDict[bytes, T], peer: bytes, value: T) -> None:
    table[peer] = value
    table.move_to_end(peer)
    while len(table) > _MOST:
        table.popitem(last=False)
