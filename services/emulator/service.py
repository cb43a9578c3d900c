# SPDX-License-Identifier: Apache-2.0
"""How fast a link serves packets: piecewise constant rates, or opportunities (traces, Poisson).

Integer microseconds throughout. A rate serves `rate` micro-bits a microsecond, so a packet of n
bytes needs n * 8e6 of them, and what rounding up to the next microsecond leaves over is carried
to the next packet while the link stays busy: no drift, however long the run.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol, TypeAlias

from services.emulator.trace import OPPORTUNITY_BYTES

NEVER_US = 2**62  # a packet that a dead link will not serve


@dataclass(frozen=True, slots=True)
class StepRate:
    """Rates from given times on: (microseconds, bits per second), the first at 0. A constant rate
    is one step. With `period_us` the steps repeat."""

    steps: tuple[tuple[int, int], ...]
    period_us: int | None = None


@dataclass(frozen=True, slots=True)
class TraceRate:
    """Opportunities of 1504 bytes at given milliseconds; with `loop` they repeat with the last."""

    stamps_ms: tuple[int, ...]
    loop: bool = True
    offset_ms: int = 0
    length_ms: int | None = None  # the part from the offset that is used; None: to the end
    name: str = ""


@dataclass(frozen=True, slots=True)
class PoissonRate:
    """Opportunities of 1504 bytes at random instants, `bps` on average."""

    bps: int


Rate: TypeAlias = StepRate | TraceRate | PoissonRate


class Service(Protocol):
    """Serves packets one after the other."""

    def serve(self, start_us: int, size_bytes: int, *, busy: bool) -> int:
        """When a packet is through whose turn comes at `start_us`; NEVER_US on a dead link.

        `busy`: it waited for the one before, so a part of an opportunity left over is still there.
        """
        ...

    def capacity_bytes(self, start_us: int, end_us: int) -> int:
        """What could have been served after `start_us`, up to `end_us`, used or not."""
        ...

    def longest_gap_us(self, start_us: int, end_us: int) -> int:
        """The longest part of a span in which nothing could be served."""
        ...


def service(rate: Rate, held: Sequence[tuple[int, int]], random: Random) -> Service:
    """The running form of a rate. During `held` spans (start, end) nothing is served."""
    if isinstance(rate, StepRate):
        return _Steps(rate, held)
    return _Opportunities(
        _Poisson(rate.bps, random) if isinstance(rate, PoissonRate) else _Stamps(rate), held
    )


def mean_bps(rate: Rate) -> int:
    """Long-run average; of steps without a period, the average up to the last step's start."""
    if isinstance(rate, PoissonRate):
        return rate.bps
    if isinstance(rate, TraceRate):
        stamps = _Stamps(rate)
        return stamps.count * OPPORTUNITY_BYTES * 8_000_000 // stamps.period_us
    end_us = rate.period_us or rate.steps[-1][0] or 1_000_000
    return _Steps(rate, ()).capacity_bytes(0, end_us) * 8_000_000 // end_us


class _Steps:
    def __init__(self, rate: StepRate, held: Sequence[tuple[int, int]]) -> None:
        self._steps = rate.steps
        self._starts = [start for start, _ in rate.steps]
        self._period_us = rate.period_us
        self._held = tuple(held)
        self._carry = 0

    def serve(self, start_us: int, size_bytes: int, *, busy: bool) -> int:
        need = size_bytes * 8_000_000 - (self._carry if busy else 0)
        self._carry = 0
        at = start_us
        while need > 0:
            rate, end_us = self._segment(at)
            if rate == 0 and end_us >= NEVER_US:
                return NEVER_US
            served = rate * (end_us - at)
            if served >= need:
                span = -(-need // rate)
                self._carry = rate * span - need
                return at + span
            need -= served
            at = end_us
        self._carry = -need
        return at

    def capacity_bytes(self, start_us: int, end_us: int) -> int:
        total, at = 0, start_us
        while at < end_us:
            rate, until_us = self._segment(at)
            until_us = min(until_us, end_us)
            total += rate * (until_us - at)
            at = until_us
        return total // 8_000_000

    def longest_gap_us(self, start_us: int, end_us: int) -> int:
        longest, at, gap_from = 0, start_us, start_us
        while at < end_us:
            rate, until_us = self._segment(at)
            at = min(until_us, end_us)
            if rate:
                gap_from = at
            longest = max(longest, at - gap_from)
        return longest

    def _segment(self, at_us: int) -> tuple[int, int]:
        """Rate in force at an instant, and until when."""
        base = at_us - at_us % self._period_us if self._period_us else 0
        position = bisect_right(self._starts, at_us - base) - 1
        rate = self._steps[position][1]
        if position + 1 < len(self._steps):
            end_us = base + self._steps[position + 1][0]
        else:
            end_us = base + self._period_us if self._period_us else NEVER_US
        for held_from, held_to in self._held:
            if held_from <= at_us < held_to:
                return 0, min(end_us, held_to)
            if held_from > at_us:
                end_us = min(end_us, held_from)
        return rate, end_us


class _Instants(Protocol):
    """Instants of opportunities by number, never decreasing."""

    def at_us(self, number: int) -> int: ...

    def first_after(self, now_us: int) -> int:
        """Number of the first opportunity strictly later than `now_us`."""
        ...


class _Stamps:
    def __init__(self, rate: TraceRate) -> None:
        end_ms = rate.stamps_ms[-1]
        if rate.length_ms is not None:
            end_ms = min(end_ms, rate.offset_ms + rate.length_ms)
        used = [stamp for stamp in rate.stamps_ms if rate.offset_ms <= stamp <= end_ms]
        if rate.offset_ms and rate.loop and rate.length_ms is None:
            # The part before the offset comes at the end of each round.
            used += [end_ms + stamp for stamp in rate.stamps_ms if stamp < rate.offset_ms]
            end_ms += rate.offset_ms
        self._stamps_us = [(stamp - rate.offset_ms) * 1000 for stamp in used]
        self.count = len(self._stamps_us)
        self.period_us = (end_ms - rate.offset_ms) * 1000
        self._loop = rate.loop

    def at_us(self, number: int) -> int:
        turn, position = divmod(number, self.count)
        if turn and not self._loop:
            return NEVER_US
        return turn * self.period_us + self._stamps_us[position]

    def first_after(self, now_us: int) -> int:
        turn = now_us // self.period_us if self._loop else 0
        number = turn * self.count + bisect_right(self._stamps_us, now_us - turn * self.period_us)
        while self.at_us(number) <= now_us:
            number += 1
        return number


class _Poisson:
    def __init__(self, bps: int, random: Random) -> None:
        self._mean_us = OPPORTUNITY_BYTES * 8e6 / bps
        self._random = random
        self._known = [0]
        self._exact = 0.0

    def at_us(self, number: int) -> int:
        while len(self._known) <= number:
            self._exact += self._random.expovariate(1.0) * self._mean_us
            self._known.append(int(self._exact))
        return self._known[number]

    def first_after(self, now_us: int) -> int:
        while self._known[-1] <= now_us:
            self.at_us(len(self._known))
        return bisect_right(self._known, now_us)


class _Opportunities:
    """Mahimahi's rules: an opportunity at or before a packet's arrival is spent; a packet may use
    several, several packets may use one, and what is left when the queue runs dry is lost."""

    def __init__(self, instants: _Instants, held: Sequence[tuple[int, int]]) -> None:
        self._instants = instants
        self._held = tuple(held)
        self._next = 0
        self._left_bytes = 0
        self._last_us = 0

    def serve(self, start_us: int, size_bytes: int, *, busy: bool) -> int:
        if not busy:
            self._left_bytes = 0
            self._next = max(self._next, self._instants.first_after(start_us))
        while self._left_bytes < size_bytes:
            at_us = self._instants.at_us(self._next)
            if at_us >= NEVER_US:
                return NEVER_US
            self._next += 1
            if not self._is_held(at_us):
                self._left_bytes += OPPORTUNITY_BYTES
                self._last_us = at_us
        self._left_bytes -= size_bytes
        return self._last_us

    def capacity_bytes(self, start_us: int, end_us: int) -> int:
        first, end = self._instants.first_after(start_us), self._instants.first_after(end_us)
        number = end - first
        if self._held:
            held = sum(self._is_held(self._instants.at_us(i)) for i in range(first, end))
            number -= held
        return number * OPPORTUNITY_BYTES

    def longest_gap_us(self, start_us: int, end_us: int) -> int:
        longest, before_us = 0, start_us
        number = self._instants.first_after(start_us)
        while (at_us := self._instants.at_us(number)) < end_us:
            if not self._is_held(at_us):
                longest, before_us = max(longest, at_us - before_us), at_us
            number += 1
        return max(longest, end_us - before_us)

    def _is_held(self, at_us: int) -> bool:
        return any(start <= at_us < end for start, end in self._held)
