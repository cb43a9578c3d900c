# SPDX-License-Identifier: Apache-2.0
"""Virtual time: an event queue, a path of two link models, and TCP connections over it."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from services.emulator.model import Link
from services.emulator.profile import Profile
from services.emulator.tcp import HEADER_BYTES, Receipt, Segment, TcpReceiver, TcpSender

Action: TypeAlias = Callable[[], object]  # its answer is ignored
_LOST_RETURN_US = 200_000  # a message on the way back that was lost comes a timeout later


class VirtualClock:
    """Runs actions in order of their time; equal times in order of scheduling."""

    def __init__(self) -> None:
        self.now_us = 0
        self._events: list[tuple[int, int, Action]] = []
        self._number = 0

    def at(self, time_us: int, action: Action) -> None:
        """Run an action at a time, at once if that is past."""
        self._number += 1
        heapq.heappush(self._events, (max(time_us, self.now_us), self._number, action))

    def run_until(self, end_us: int) -> None:
        """Run everything due by then."""
        while self._events and self._events[0][0] <= end_us:
            self.now_us, _, action = heapq.heappop(self._events)
            action()
        self.now_us = end_us


class Wire:
    """One direction of a link on a virtual clock: a packet is an action, run when it arrives."""

    def __init__(self, clock: VirtualClock, link: Link[Action]) -> None:
        self.link = link
        self._clock = clock
        self._wake_us: int | None = None

    def send(self, size_bytes: int, on_arrival: Action) -> bool:
        """Offer a packet; False when it was dropped at once."""
        accepted = self.link.push(self._clock.now_us, size_bytes, on_arrival)
        self._schedule()
        return accepted

    def _schedule(self) -> None:
        next_us = self.link.next_us()
        if next_us is not None and (self._wake_us is None or next_us < self._wake_us):
            self._wake_us = next_us
            self._clock.at(next_us, self._wake)

    def _wake(self) -> None:
        if self._wake_us is None or self._clock.now_us < self._wake_us:
            return  # an earlier event was scheduled instead
        self._wake_us = None
        for delivery in self.link.pop(self._clock.now_us):
            delivery.item()
        self._schedule()


class VirtualPath:
    """Both directions of a profile."""

    def __init__(self, clock: VirtualClock, profile: Profile, *, seed: int) -> None:
        self.up = Wire(clock, Link(profile.up, seed=seed, label="up"))
        self.down = Wire(clock, Link(profile.down, seed=seed, label="down"))
        self.base_rtt_us = profile.base_rtt_us


class VirtualConnection:
    """A TCP connection: bytes go up, small messages come back down in order.

    `on_read(position)` tells the receiving application how many bytes of the stream it has.
    """

    def __init__(
        self, clock: VirtualClock, path: VirtualPath, on_read: Callable[[int], None]
    ) -> None:
        self._clock = clock
        self._path = path
        self._on_read = on_read
        self._sender = TcpSender()
        self._receiver = TcpReceiver()
        self._timer_us: int | None = None
        self._open = True
        self._returning: deque[tuple[int, Action]] = deque()
        self._return_busy = False

    @property
    def unacknowledged_bytes(self) -> int:
        return self._sender.unacknowledged_bytes

    def write(self, size_bytes: int) -> int:
        """Append bytes to the stream; returns the position behind them."""
        end = self._sender.write(size_bytes)
        self._send(self._sender.transmit(self._clock.now_us))
        return end

    def reply(self, size_bytes: int, on_arrival: Action) -> None:
        """A message from the receiver, delivered in order whatever the link loses."""
        self._returning.append((size_bytes, on_arrival))
        if not self._return_busy:
            self._send_reply()

    def close(self) -> None:
        """Cut the connection: what is under way is dropped."""
        self._open = False

    def _send_reply(self) -> None:
        # One after the other only where the way back loses packets; else they travel together.
        while self._returning and self._open:
            size, action = self._returning[0]
            if not self._path.down.send(size + HEADER_BYTES, partial(self._run, action)):
                self._return_busy = True
                self._clock.at(self._clock.now_us + _LOST_RETURN_US, self._send_reply)
                return
            self._returning.popleft()
        self._return_busy = False

    def _run(self, action: Action) -> None:
        if self._open:
            action()

    def _send(self, segments: list[Segment]) -> None:
        for segment in segments:
            self._path.up.send(segment.wire_bytes, partial(self._arrive, segment))
        self._schedule_timer()

    def _arrive(self, segment: Segment) -> None:
        if not self._open:
            return
        before = self._receiver.next_byte
        receipt = self._receiver.insert(segment)
        self._path.down.send(HEADER_BYTES, lambda: self._acknowledged(receipt))
        if receipt.next_byte > before:
            self._on_read(receipt.next_byte)

    def _acknowledged(self, receipt: Receipt) -> None:
        if self._open:
            self._send(self._sender.on_receipt(receipt, self._clock.now_us))

    def _schedule_timer(self) -> None:
        deadline = self._sender.deadline_us()
        if deadline is not None and (self._timer_us is None or deadline < self._timer_us):
            self._timer_us = deadline
            self._clock.at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        if not self._open or self._timer_us is None or self._clock.now_us < self._timer_us:
            return
        self._timer_us = None
        deadline = self._sender.deadline_us()
        if deadline is not None and deadline <= self._clock.now_us:
            self._send(self._sender.on_deadline(self._clock.now_us))
        self._schedule_timer()
