# SPDX-License-Identifier: Apache-2.0
"""Whom a receiver asks for a stream, how often, and with which of its models; pure.

An end that connects has one peer and asks that. One that listens asks whoever calls: anybody may,
so what is kept of callers is bounded.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TypeVar

REFUSED_PAUSE_US = 1_000_000  # before asking again an end that refused us; doubled each time
MAX_REFUSED_PAUSE_US = 30_000_000
_KNOWN = 8
_THE_PEER = b""  # of an end that connects
T = TypeVar("T")


class Callers:
    """`models` is how many a receiver has: it asks with the first, and on with the next where it
    is refused."""

    def __init__(self, *, models: int, connects: bool) -> None:
        self._models = models
        self._connects = connects
        self._callers: dict[bytes, None] = {_THE_PEER: None} if connects else {}
        self._asking: dict[bytes, int] = {}  # of callers: with which model, if not the first
        self._pauses: dict[bytes, tuple[int, int]] = {}  # of callers that do not fit: until, length

    def called(self, peer: bytes) -> None:
        """A peer sent something."""
        if not self._connects:
            _keep(self._callers, peer, None)

    def take_due(self, now_us: int) -> list[bytes]:
        """Who is to be asked now."""
        due = [caller for caller in self._callers if not self._is_paused(caller, now_us)]
        if not self._connects:
            self._callers.clear()  # whoever still lives calls again
        return due

    def model_of(self, peer: bytes) -> int:
        """The number of the model that it is asked with."""
        return self._asking.get(peer, 0)

    def next_model(self, peer: bytes, now_us: int) -> bool:
        """Turn to the next model for an end that refused us; False when it has refused all."""
        number = self._asking.pop(peer, 0) + 1
        if self._is_paused(peer, now_us) or number >= self._models:
            return False
        _keep(self._asking, peer, number)
        return True

    def first_model(self, peer: bytes) -> None:
        """Begin with the first again."""
        self._asking.pop(peer, None)

    def pause(self, peer: bytes, now_us: int) -> None:
        """Ask one that does not fit again only after a pause, longer each time."""
        _, last_us = self._pauses.pop(peer, (0, 0))
        pause_us = min(MAX_REFUSED_PAUSE_US, 2 * last_us or REFUSED_PAUSE_US)
        _keep(self._pauses, peer, (now_us + pause_us, pause_us))

    @property
    def pause_us(self) -> int:
        """How long the one peer of an end that connects is paused for, if it is."""
        return self._pauses.get(_THE_PEER, (0, 0))[1]

    def fits(self, peer: bytes) -> None:
        """Its offer fits after all."""
        self._pauses.pop(peer, None)

    def end_pauses(self) -> None:
        """Ask everybody again: the connection is new."""
        self._pauses.clear()

    def _is_paused(self, peer: bytes, now_us: int) -> bool:
        return now_us < self._pauses.get(peer, (0, 0))[0]


def _keep(table: MutableMapping[bytes, T], peer: bytes, value: T) -> None:
    table[peer] = value
    while len(table) > _KNOWN:
        del table[next(iter(table))]
