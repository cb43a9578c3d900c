# SPDX-License-Identifier: Apache-2.0
"""One direction of a link as a pure model: packets go in with their time, and come out later.

Order of events for a packet: outage of kind drop, loss, queue limit, service, delay and jitter.
Each source of chance has a generator of its own and draws once for every packet offered, so that
changing one impairment never moves another; the same seed and the same offers give the same log.
Nothing depends on calls made in between. Times are integer microseconds and never decrease.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from random import Random
from statistics import NormalDist
from typing import Generic, NamedTuple, TypeVar

from services.emulator.loss import loss_process
from services.emulator.profile import Direction, JitterKind, OutageKind
from services.emulator.queue import Discipline, PacketQueue, Waiting
from services.emulator.service import NEVER_US, service

T = TypeVar("T")
_NORMAL = NormalDist()


class Delivery(NamedTuple, Generic[T]):
    """A packet that came out, and when."""

    at_us: int
    item: T


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """Packets by fate; offered = delivered + lost + dropped + outage + held."""

    offered: int
    delivered: int
    lost: int  # by the loss process
    dropped: int  # by the queue
    outage: int  # during an outage of kind drop
    held: int  # waiting, in service or on the way
    delivered_bytes: int


class Link(Generic[T]):
    """One direction. Either `offer` alone, or `push`, `pop` and `next_us`.

    A packet may weigh up to the MTU and 4 bytes (a TUN header). ValueError when it does not,
    or when time runs backwards.
    """

    def __init__(self, direction: Direction, *, seed: int, label: str = "up") -> None:
        self._direction = direction
        generators = {
            purpose: Random(f"{seed}/{label}/{purpose}") for purpose in ("loss", "jitter", "rate")
        }
        held = [(o.at_us, o.end_us) for o in direction.outages if o.kind is OutageKind.HOLD]
        self._blackouts = [o for o in direction.outages if o.kind is OutageKind.DROP]
        self._service = service(direction.rate, held, generators["rate"])
        self._loss = loss_process(direction.loss, generators["loss"])
        self._jitter = generators["jitter"]
        self._queue: PacketQueue[T] = PacketQueue(direction.queue)
        self._now_us = 0
        self._free_us = 0  # when the packet in service is through
        self._serving: deque[tuple[int, int]] = deque()  # (end of service, bytes), not yet through
        self._serving_bytes = 0
        self._travelling: list[tuple[int, int, int, T]] = []  # (delivery, number, bytes, item)
        self._last_delivery_us = 0
        self._last_scheduled_us = 0
        self._offered = self._delivered = self._lost = self._outage = 0
        self._delivered_bytes = 0
        self._served = 0

    def offer(self, now_us: int, size_bytes: int) -> int | None:
        """When a packet offered now will be delivered; None when it is dropped.

        Only for drop-tail queues: the others may still drop a packet once it is in.
        """
        if self._direction.queue.discipline is not Discipline.DROP_TAIL:
            raise ValueError("offer() needs a drop-tail queue; use push() and pop()")
        self.pop(now_us)
        if not self._push(now_us, size_bytes, None):  # type: ignore[arg-type]  # nobody reads it
            return None
        self._serve_until(NEVER_US)
        return self._last_scheduled_us

    def push(self, now_us: int, size_bytes: int, item: T) -> bool:
        """Hand a packet in; False when it was lost or dropped at once."""
        return self._push(now_us, size_bytes, item)

    def pop(self, now_us: int) -> list[Delivery[T]]:
        """All packets delivered by now that were not popped before, in order of delivery."""
        self._advance(now_us)
        ready: list[Delivery[T]] = []
        while self._travelling and self._travelling[0][0] <= now_us:
            at_us, _, size, item = heapq.heappop(self._travelling)
            self._delivered += 1
            self._delivered_bytes += size
            ready.append(Delivery(at_us, item))
        return ready

    def next_us(self) -> int | None:
        """When `pop` can return something next; None while nothing is under way."""
        moments = [self._travelling[0][0]] if self._travelling else []
        if len(self._queue) and self._free_us < NEVER_US:
            moments.append(max(self._now_us, self._free_us))
        return min(moments, default=None)

    def queue_bytes(self, now_us: int) -> int:
        """Bytes that wait or are in service."""
        self._advance(now_us)
        return self._queue.waiting_bytes + self._serving_bytes

    def queue_delay_us(self, now_us: int) -> int:
        """Time until the link is free or age of the oldest waiting packet, whichever is longer."""
        self._advance(now_us)
        oldest = self._queue.head().arrived_us if len(self._queue) else now_us
        return max(0, self._free_us - now_us, now_us - oldest)

    def capacity_bytes(self, start_us: int, end_us: int) -> int:
        """What the link could have carried in that time, used or not."""
        return self._service.capacity_bytes(start_us, end_us)

    def longest_gap_us(self, start_us: int, end_us: int) -> int:
        """The longest part of a span in which the link could carry nothing."""
        return self._service.longest_gap_us(start_us, end_us)

    @property
    def statistics(self) -> LinkStatistics:
        held = len(self._queue) + len(self._travelling)
        return LinkStatistics(
            offered=self._offered,
            delivered=self._delivered,
            lost=self._lost,
            dropped=self._queue.dropped,
            outage=self._outage,
            held=held,
            delivered_bytes=self._delivered_bytes,
        )

    def _push(self, now_us: int, size_bytes: int, item: T) -> bool:
        if not 0 < size_bytes <= self._direction.mtu_bytes + 4:
            raise ValueError(
                f"packet of {size_bytes} bytes on a link of {self._direction.mtu_bytes}"
            )
        self._advance(now_us)
        self._offered += 1
        lost = self._loss.draw()
        packet = Waiting(item, size_bytes, now_us, self._draw_jitter_us())
        if any(outage.at_us <= now_us < outage.end_us for outage in self._blackouts):
            self._outage += 1
            return False
        if lost:
            self._lost += 1
            return False
        if not self._queue.insert(packet, serving_bytes=self._serving_bytes):
            return False
        self._serve_until(now_us)
        return True

    def _advance(self, now_us: int) -> None:
        if now_us < self._now_us:
            raise ValueError(f"time runs backwards: {now_us} us after {self._now_us} us")
        self._now_us = now_us
        self._serve_until(now_us)
        while self._serving and self._serving[0][0] <= now_us:
            self._serving_bytes -= self._serving.popleft()[1]

    def _serve_until(self, now_us: int) -> None:
        """Begin the service of every packet whose turn came by `now_us`."""
        while len(self._queue):
            turn_us = max(self._free_us, self._queue.head().arrived_us)
            if turn_us > now_us or turn_us >= NEVER_US:
                return
            packet = self._queue.take(turn_us)
            if packet is None:
                return
            busy = packet.arrived_us < self._free_us
            self._free_us = self._service.serve(turn_us, packet.size_bytes, busy=busy)
            self._serving.append((self._free_us, packet.size_bytes))
            self._serving_bytes += packet.size_bytes
            self._schedule(packet)

    def _schedule(self, packet: Waiting[T]) -> None:
        at_us = min(NEVER_US, self._free_us + self._direction.delay_us + packet.jitter_us)
        if not self._direction.jitter.reorder:
            at_us = max(at_us, self._last_delivery_us)
        self._last_delivery_us = max(self._last_delivery_us, at_us)
        self._last_scheduled_us = at_us
        self._served += 1
        heapq.heappush(self._travelling, (at_us, self._served, packet.size_bytes, packet.item))

    def _draw_jitter_us(self) -> int:
        share = self._jitter.random()
        jitter = self._direction.jitter
        if jitter.kind is JitterKind.UNIFORM:
            return int(share * (jitter.amount_us + 1))
        deviations = min(4.0, abs(_NORMAL.inv_cdf(min(max(share, 1e-12), 1 - 1e-12))))
        return int(deviations * jitter.amount_us)
