# SPDX-License-Identifier: Apache-2.0
"""A second connection for the end that dials, while the first is silent; pure.

Theory of operation. A link that is away mostly holds what was sent and delivers it when it comes
back: the connection goes on at once, and breaking it would cost more than waiting. A link that
loses what was sent is worse: TCP waits twice as long after each attempt, so up to as long again as
the outage was. No end can tell the two apart before the link is back. So beside a silent connection
a second one is tried, often and cheaply. When it gets through and the first is still silent, the
first is given up. When the first is heard again, the second is dropped.

    idle --silent for OPEN_US--> trying --connected--> ready --silent for GRACE_US more--> in use
    trying, ready --the first is heard--> idle
"""

from __future__ import annotations

from enum import Enum, auto

OPEN_US = 1_000_000  # two PINGs unanswered
LEAST_TRY_US = 300_000  # a link that returns between two attempts finds nobody
GRACE_US = 100_000  # what waited in the link is there before what was sent after it


class Move(Enum):
    """What to do with the second connection."""

    OPEN = auto()
    DROP = auto()
    TAKE = auto()  # it becomes the first; the session starts again on it


def try_us(round_trip_us: int) -> int:
    """How long one attempt to connect is waited for."""
    return max(LEAST_TRY_US, 2 * round_trip_us)


class Standby:
    """State of the second connection."""

    def __init__(self) -> None:
        self._open = False
        self._ready_us: int | None = None

    def connected(self, now_us: int) -> None:
        """The second connection is established."""
        if self._open and self._ready_us is None:
            self._ready_us = now_us

    def heard(self) -> Move | None:
        """A message came over the first connection."""
        return self._close(Move.DROP)

    def tick(self, now_us: int, *, silent_us: int) -> Move | None:
        """How long the first connection has been silent; call ten times a second."""
        if not self._open:
            self._open = silent_us > OPEN_US
            return Move.OPEN if self._open else None
        if self._ready_us is not None and now_us - self._ready_us >= GRACE_US:
            return self._close(Move.TAKE)
        return None

    def ended(self) -> Move | None:
        """The first connection is given up for another reason."""
        return self._close(Move.DROP)

    def _close(self, move: Move) -> Move | None:
        was, self._open, self._ready_us = self._open, False, None
        return move if was else None
