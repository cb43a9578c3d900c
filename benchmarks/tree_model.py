# SPDX-License-Identifier: Apache-2.0
"""Processes, connections and time for a model of a tree of relays.

A process is a server with one thread: work takes the time of `Costs`, and messages that arrive
meanwhile wait. All clocks are equal, but the nodes do not know: they compare them by PINGs as on
separate machines. The nodes of the tree: `benchmarks.tree_nodes`.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from services.emulator.model import Link
from services.emulator.profile import Direction
from services.emulator.tcp import HEADER_BYTES, MSS_BYTES
from services.protocol import messages as m
from services.protocol.standby import GRACE_US, OPEN_US

TICK_US = 50_000
_BATCH = 256  # as in services.wire.transport


@dataclass(frozen=True, slots=True)
class Costs:
    """Times of work in one process, on its one thread."""

    wake_us: int  # from the arrival of a message to the loop iteration that reads it
    message_us: int  # to read a message
    handout_us: int  # to send a packet to one receiver, its reports included


class Wire(Protocol):
    """One direction of a connection."""

    def arrival_us(self, now_us: int, size_bytes: int) -> int: ...


@dataclass(frozen=True, slots=True)
class PlainWire:
    """A constant delay."""

    delay_us: int

    def arrival_us(self, now_us: int, size_bytes: int) -> int:
        """Time of arrival of the last byte."""
        return now_us + self.delay_us


class EmulatedWire:
    """The link model of the product, with TCP's packets and a constant of the ends."""

    def __init__(self, direction: Direction, *, seed: int, ends_us: int = 0) -> None:
        self._link: Link[None] = Link(direction, seed=seed)
        self._ends_us = ends_us
        self._now_us = 0

    def arrival_us(self, now_us: int, size_bytes: int) -> int:
        """When the last byte arrives. RuntimeError where the queue is too short for the stream."""
        self._now_us = max(now_us, self._now_us)
        at_us: int | None = None
        for begin in range(0, size_bytes, MSS_BYTES):
            part = min(MSS_BYTES, size_bytes - begin) + HEADER_BYTES
            at_us = self._link.offer(self._now_us, part)
            if at_us is None:
                raise RuntimeError(f"the queue of the link is full at {now_us} us")
        assert at_us is not None
        return at_us + self._ends_us


class Clockwork:
    """Calls what is due, in order of time; equal times in order of scheduling."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._ties = count()
        self.now_us = 0

    def call(self, at_us: int, what: Callable[[int], None]) -> None:
        """Call `what(at_us)` then."""
        heapq.heappush(self._heap, (max(at_us, self.now_us), next(self._ties), what))

    def run(self, until_us: int) -> None:
        """Let time pass."""
        while self._heap and self._heap[0][0] <= until_us:
            self.now_us, _, what = heapq.heappop(self._heap)
            what(self.now_us)
        self.now_us = until_us


@dataclass(frozen=True, slots=True)
class Coded:
    """Metadata of a packet."""

    captured_us: int
    reference: bytes
    digest: bytes


class Book:
    """Measurements of all nodes. Latency: capture to arrival, frames captured in `window_us`."""

    def __init__(self) -> None:
        self.packets: dict[bytes, Coded] = {}  # by the first bytes
        self.window_us = (0, 0)
        self.latencies_us: dict[int, array[int]] = {}
        self.first_pictures_us: array[int] = array("q")
        self.broken_chains = 0
        self.hostile = 0  # messages that broke the rules of a session

    def arrived(self, depth: int, coded: Coded, at_us: int) -> None:
        """A packet reached a viewer of a node at that depth."""
        if self.window_us[0] <= coded.captured_us < self.window_us[1]:
            if depth not in self.latencies_us:
                self.latencies_us[depth] = array("q")
            self.latencies_us[depth].append(at_us - coded.captured_us)


class Downstream(Protocol):
    """A receiver served by a node."""

    def take(self, message: m.Message, at_us: int) -> None: ...


class Node:
    """A process: reads messages one by one, and is busy with each for a while."""

    def __init__(self, clockwork: Clockwork, costs: Costs, *, depth: int) -> None:
        self.clockwork = clockwork
        self.depth = depth
        self.dead = False
        self.served: dict[bytes, tuple[Downstream, Wire]] = {}
        self._costs = costs
        self._inbox: list[tuple[int, int, bytes, m.Message]] = []
        self._ties = count()
        self._busy_us = 0
        self._due_us: int | None = None
        self._tick_us = clockwork.now_us
        self._wake(self._tick_us)

    def deliver(self, at_us: int, source: bytes, message: m.Message) -> None:
        """A message arrives at that time."""
        if not self.dead:
            heapq.heappush(self._inbox, (at_us, next(self._ties), source, message))
            self._wake(at_us + self._costs.wake_us)

    def send(self, peer: bytes, message: m.Message, at_us: int) -> None:
        """A message leaves for a receiver."""
        receiver, wire = self.served[peer]
        size = len(message.first) + 100 if isinstance(message, m.FrameHead) else 60
        if isinstance(message, m.FrameRest):
            size = len(message.rest) + 30
        receiver.take(message, wire.arrival_us(at_us, size))

    def _wake(self, at_us: int) -> None:
        at_us = max(at_us, self._busy_us)
        if self._due_us is None or at_us < self._due_us:
            self._due_us = at_us
            self.clockwork.call(at_us, self._turn)

    def _turn(self, now_us: int) -> None:
        if now_us != self._due_us or self.dead:
            return  # an earlier iteration was scheduled meanwhile
        self._due_us = None
        self._busy_us = now_us
        for _ in range(_BATCH):
            if not self._inbox or self._inbox[0][0] > now_us:
                break
            _, _, source, message = heapq.heappop(self._inbox)
            self._busy_us += self._costs.message_us
            self._received(source, message)
        if now_us >= self._tick_us:
            self._tick_us = now_us + TICK_US
            self._tick()
        self._serve()
        self._wake(self._tick_us)
        if self._inbox:
            self._wake(max(self._inbox[0][0] + self._costs.wake_us, self._busy_us))

    def _received(self, source: bytes, message: m.Message) -> None:
        raise NotImplementedError

    def _tick(self) -> None:
        raise NotImplementedError

    def _serve(self) -> None:
        """Send what is due."""


def connect_us(wire: Wire) -> int:
    """Time of a new connection: the round trips of TCP and of ZeroMQ's greeting."""
    delay_us = wire.delay_us if isinstance(wire, PlainWire) else 20_000
    return 4 * delay_us


def silence_us(heard_us: int) -> int:
    """When a peer last heard then is replaced by a second connection (`Standby`)."""
    return heard_us + OPEN_US + GRACE_US + 2 * TICK_US
