# SPDX-License-Identifier: Apache-2.0
"""Rate limit of the messages of each peer; pure."""

from __future__ import annotations

from enum import Enum, auto

MAX_MESSAGES_PER_S = 1000  # of one peer: an honest one sends two a frame
CUT_FACTOR = 4  # so many times that, or too many in two seconds in a row: the connection is cut
FLOODS = "it sends too many messages"  # why a connection is cut, and its key barred for a while
_SECOND_US = 1_000_000


class Hearing(Enum):
    """What to do with a message of a peer."""

    HEARD = auto()
    IGNORED = auto()
    CUT = auto()  # ignored, and its connection is cut: returned once a second


class FloodGate:
    """Counts the messages of each peer in this second."""

    def __init__(self, most_per_s: int = MAX_MESSAGES_PER_S) -> None:
        self._most = most_per_s
        self._heard: dict[bytes, int] = {}
        self._since_us = 0
        self._flooded: set[bytes] = set()  # in the second before

    def hear(self, peer: bytes, now_us: int) -> Hearing:
        """Count one message."""
        if now_us - self._since_us >= _SECOND_US:
            fresh = now_us - self._since_us < 2 * _SECOND_US
            self._flooded = {p for p, n in self._heard.items() if fresh and n > self._most}
            self._heard.clear()
            self._since_us = now_us
        count = self._heard[peer] = self._heard.get(peer, 0) + 1
        if count <= self._most:
            return Hearing.HEARD
        again = peer in self._flooded
        last = self._most + 1 if again else CUT_FACTOR * self._most
        return Hearing.CUT if count == last else Hearing.IGNORED
