# SPDX-License-Identifier: Apache-2.0
"""When a decoded frame is shown: at once and the newest only, or after a fixed buffer; pure.

With a buffer, a frame is due at its capture time plus the least transit seen lately plus the
buffer, so that frames up to `buffer_us` later than the fastest are still shown in even steps. The
offset between the clocks is part of the transit, so it need not be known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

TRANSITS = 300  # frames over which the least transit is taken
CAPACITY = 320  # frames held at most, as many as credit allows; the oldest goes first

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    item: T
    due_us: int


@dataclass(frozen=True, slots=True)
class Due(Generic[T]):
    """What `pop_due` found: the frame to show now, and those that a newer one made useless."""

    item: T | None
    superseded: tuple[T, ...]


class Playout(Generic[T]):
    """Holds decoded frames until they are due. Frames come in decoding order.

    At most CAPACITY of them, with a sum of `weight` up to `most_weight`. None waits longer than the
    buffer, whatever capture time the sender claims.
    """

    def __init__(
        self,
        *,
        buffer_us: int = 0,
        weight: Callable[[T], int] = lambda item: 0,
        most_weight: int = 0,
    ) -> None:
        self._buffer_us = buffer_us
        self._weight_of = weight
        self._most_weight = most_weight
        self._weight = 0
        self._transits_us: deque[int] = deque(maxlen=TRANSITS)
        self._waiting: deque[_Waiting[T]] = deque()

    def insert(self, item: T, *, captured_us: int, ready_us: int) -> None:
        """Add a frame: captured on the sender's clock, ready (decoded) on ours."""
        if self._buffer_us == 0:
            due_us = ready_us
        else:
            self._transits_us.append(ready_us - captured_us)
            due_us = captured_us + min(self._transits_us) + self._buffer_us
        self._weight += self._weight_of(item)
        self._waiting.append(_Waiting(item, due_us))

    def pop_due(self, now_us: int) -> Due[T]:
        """The newest frame that is due; all before it are superseded."""
        due: list[T] = []
        superseded: list[T] = []
        while len(self._waiting) > CAPACITY or (
            len(self._waiting) > 1 and self._weight > self._most_weight
        ):
            superseded.append(self._pop())
        while self._waiting and self._waiting[0].due_us <= now_us:
            due.append(self._pop())
        if not due:
            return Due(None, tuple(superseded))
        return Due(due[-1], (*superseded, *due[:-1]))

    def _pop(self) -> T:
        item = self._waiting.popleft().item
        self._weight -= self._weight_of(item)
        return item

    def next_due_us(self) -> int | None:
        """When to call `pop_due` next; None while nothing waits."""
        return self._waiting[0].due_us if self._waiting else None

    def clear(self) -> tuple[T, ...]:
        """Drop everything, for a new stream; return what was waiting."""
        items = tuple(waiting.item for waiting in self._waiting)
        self._waiting.clear()
        self._weight = 0
        self._transits_us.clear()
        return items
