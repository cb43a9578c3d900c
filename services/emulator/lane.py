# SPDX-License-Identifier: Apache-2.0
"""One direction of the stream proxy: chunks of TCP streams through the link model; pure.

A proxy cannot lose bytes of a stream: a chunk that the model loses is late instead, by what TCP
would need to send it again, and so is all that follows on its connection. A full queue takes no
more instead of dropping (back-pressure), and an outage that drops holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import replace
from random import Random
from typing import NamedTuple

from services.emulator.loss import NoLoss, loss_process
from services.emulator.model import Link
from services.emulator.profile import Direction, OutageKind
from services.emulator.queue import Discipline
from services.emulator.tcp import HEADER_BYTES, LEAST_RTO_US, MSS_BYTES

CHUNK_BYTES = MSS_BYTES
_FAST_BURST = 3  # lost chunks in a row that fast retransmission still mends
_LEAST_REPAIR_US = 10_000


class Chunk(NamedTuple):
    """Bytes that are due: `stream` is whatever the caller tells connections apart by."""

    at_us: int
    stream: Hashable
    data: bytes


class _Travelling(NamedTuple):
    stream: Hashable
    data: bytes
    repair_us: int


class Lane:
    """Takes chunks of at most 1448 bytes and gives them back when they are due, in order per
    stream. Each is charged with the headers it would have as a packet."""

    def __init__(self, direction: Direction, *, seed: int, label: str, base_rtt_us: int) -> None:
        lossless = replace(
            direction,
            loss=NoLoss(),
            queue=replace(direction.queue, discipline=Discipline.DROP_TAIL),
            outages=tuple(replace(o, kind=OutageKind.HOLD) for o in direction.outages),
        )
        self._limit_bytes = direction.queue.limit_bytes
        self._link: Link[_Travelling] = Link(lossless, seed=seed, label=label)
        self._loss = loss_process(direction.loss, Random(f"{seed}/{label}/loss"))
        self._burst = 0
        self._base_rtt_us = base_rtt_us
        self._ready: dict[Hashable, deque[Chunk]] = {}
        self._delay_us = direction.delay_us
        self.repaired_chunks = 0
        self.carried_bytes = 0

    def has_room(self, now_us: int) -> bool:
        """False while the queue is full: stop reading."""
        full = CHUNK_BYTES + HEADER_BYTES
        return self._link.queue_bytes(now_us) + full <= self._limit_bytes

    def push(self, now_us: int, stream: Hashable, data: bytes) -> None:
        """Take a chunk; only while `has_room`."""
        lost = self._loss.draw()
        self._burst = self._burst + 1 if lost else 0
        repair_us = 0
        if lost:
            self.repaired_chunks += 1
            repair_us = max(self._base_rtt_us, _LEAST_REPAIR_US)
            if self._burst > _FAST_BURST:
                repair_us = LEAST_RTO_US + self._base_rtt_us
        self._link.push(now_us, len(data) + HEADER_BYTES, _Travelling(stream, data, repair_us))

    def pop(self, now_us: int) -> list[Chunk]:
        """The chunks that are due by now."""
        for at_us, travelling in self._link.pop(now_us):
            waiting = self._ready.setdefault(travelling.stream, deque())
            due_us = at_us + travelling.repair_us
            if waiting:
                due_us = max(due_us, waiting[-1].at_us)
            waiting.append(Chunk(due_us, travelling.stream, travelling.data))
        due: list[Chunk] = []
        for stream in list(self._ready):
            waiting = self._ready[stream]
            while waiting and waiting[0].at_us <= now_us:
                due.append(waiting.popleft())
                self.carried_bytes += len(due[-1].data) + HEADER_BYTES
            if not waiting:
                del self._ready[stream]
        return due

    def next_us(self) -> int | None:
        """When `pop` can return something next."""
        moments = [waiting[0].at_us for waiting in self._ready.values()]
        if (link := self._link.next_us()) is not None:
            moments.append(link)
        return min(moments, default=None)

    def queue_bytes(self, now_us: int) -> int:
        """Bytes that wait for the link, headers included."""
        return self._link.queue_bytes(now_us)

    def delay_us(self, now_us: int) -> int:
        """What a chunk that came now would take: queue and path."""
        return self._link.queue_delay_us(now_us) + self._delay_us

    def capacity_bytes(self, start_us: int, end_us: int) -> int:
        """See `Link.capacity_bytes`."""
        return self._link.capacity_bytes(start_us, end_us)

    def longest_gap_us(self, start_us: int, end_us: int) -> int:
        """See `Link.longest_gap_us`."""
        return self._link.longest_gap_us(start_us, end_us)
