# SPDX-License-Identifier: Apache-2.0
"""Where packets wait and which ones are dropped: drop-tail, drop-head, CoDel (RFC 8289). Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from math import sqrt
from typing import Generic, TypeVar

T = TypeVar("T")


class Discipline(Enum):
    """Which packet a full or slow queue drops."""

    DROP_TAIL = "droptail"  # the arriving one
    DROP_HEAD = "drophead"  # the oldest waiting one
    CODEL = "codel"  # the one about to be served, while packets stay too long; and drop-tail


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Size and discipline of a queue. CoDel's target must exceed one packet's serving time."""

    limit_bytes: int
    discipline: Discipline = Discipline.DROP_TAIL
    codel_target_us: int = 5_000
    codel_interval_us: int = 100_000


@dataclass(frozen=True, slots=True)
class Waiting(Generic[T]):
    """A packet in the queue; `jitter_us` was drawn when it came."""

    item: T
    size_bytes: int
    arrived_us: int
    jitter_us: int


class PacketQueue(Generic[T]):
    """Packets in order of arrival; `dropped` counts packets that the discipline dropped.

    The packet in service counts against the limit: the caller tells its bytes as `serving_bytes`.
    """

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._packets: deque[Waiting[T]] = deque()
        self._codel = _CoDel(limits.codel_target_us, limits.codel_interval_us)
        self.waiting_bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._packets)

    def head(self) -> Waiting[T]:
        """The packet whose turn is next; the queue must not be empty."""
        return self._packets[0]

    def insert(self, packet: Waiting[T], *, serving_bytes: int) -> bool:
        """Take a packet in; False when it was dropped instead."""
        room = self._limits.limit_bytes - serving_bytes - packet.size_bytes
        if self._limits.discipline is Discipline.DROP_HEAD:
            while self._packets and self.waiting_bytes > room:
                self._drop_head()
        if self.waiting_bytes > room:
            self.dropped += 1
            return False
        self._packets.append(packet)
        self.waiting_bytes += packet.size_bytes
        return True

    def take(self, now_us: int) -> Waiting[T] | None:
        """The packet to serve at `now_us`; None when the discipline dropped all that waited."""
        if self._limits.discipline is Discipline.CODEL:
            while self._packets and self._codel.drops(
                now_us, sojourn_us=now_us - self.head().arrived_us, last=len(self._packets) == 1
            ):
                self._drop_head()
        if not self._packets:
            return None
        packet = self._packets.popleft()
        self.waiting_bytes -= packet.size_bytes
        return packet

    def _drop_head(self) -> None:
        self.waiting_bytes -= self._packets.popleft().size_bytes
        self.dropped += 1


class _CoDel:
    """RFC 8289: packets stayed longer than the target for an interval, so drop, ever faster."""

    def __init__(self, target_us: int, interval_us: int) -> None:
        self._target_us = target_us
        self._interval_us = interval_us
        self._above_since_us: int | None = None
        self._dropping = False
        self._drop_next_us = 0
        self._count = 0
        self._last_count = 0

    def drops(self, now_us: int, *, sojourn_us: int, last: bool) -> bool:
        """Decide for the packet at the head; called again for its successor after a drop."""
        if sojourn_us < self._target_us or last:
            self._above_since_us = None
            self._dropping = False
            return False
        if self._above_since_us is None:
            self._above_since_us = now_us
            return False
        if self._dropping:
            if now_us < self._drop_next_us:
                return False
            self._count += 1
            self._drop_next_us += self._pace_us()
            return True
        if now_us - self._above_since_us < self._interval_us:
            return False
        self._dropping = True
        # A recent dropping episode knew a good drop rate: start close to it (RFC 8289, 5.6).
        recent = now_us - self._drop_next_us < 16 * self._interval_us
        gained = self._count - self._last_count
        self._count = gained if gained > 1 and recent else 1
        self._last_count = self._count
        self._drop_next_us = now_us + self._pace_us()
        return True

    def _pace_us(self) -> int:
        return int(self._interval_us / sqrt(self._count))
