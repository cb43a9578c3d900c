# SPDX-License-Identifier: Apache-2.0
"""When a link was usable: frames skipped then count for the sender, all others for the link. Pure.

An outage is a time in which the link carries less than the least useful rate for 200 ms or more
(what a viewer notices), or comes back for less than it takes to show a fresh frame. Beside outages
a link may be too thin for a while: it is of use while the second around a frame carries that rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.emulator.profile import Outage

PIECE_US = 100_000
NOTICED_US = 200_000
FRESH_US = 400_000  # target from the return of the link to the first fresh frame
_AROUND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the link could carry from one time to another, in bytes."""

    start_us: int
    end_us: int
    size_bytes: int


class Usefulness:
    """Of a link whose capacity is known in pieces of some 100 ms, in order and without gaps."""

    def __init__(self, pieces: Sequence[Capacity], *, least_bps: int) -> None:
        self._pieces = pieces
        self._least_bps = least_bps
        self.outages_us = tuple(self._outages())

    def is_outside(self, at_us: int) -> bool:
        """Whether a frame captured then had a usable link, and no outage just before it."""
        if any(start <= at_us < end + FRESH_US for start, end in self.outages_us):
            return False
        around = [
            piece
            for piece in self._pieces
            if abs(piece.start_us + piece.end_us - 2 * at_us) <= _AROUND_US
        ]
        span_us = sum(piece.end_us - piece.start_us for piece in around)
        carried = sum(piece.size_bytes for piece in around)
        return carried * 8_000_000 >= self._least_bps * span_us

    def _outages(self) -> list[tuple[int, int]]:
        dead = [
            (piece.start_us, piece.end_us)
            for piece in self._pieces
            if piece.size_bytes * 8_000_000 < self._least_bps * (piece.end_us - piece.start_us)
        ]
        outages: list[tuple[int, int]] = []
        for start, end in _joined(dead):
            if outages and start - outages[-1][1] <= FRESH_US:
                outages[-1] = outages[-1][0], end
            elif end - start >= NOTICED_US:
                outages.append((start, end))
        return outages


def usefulness(
    carries: Callable[[int, int], int],
    outages: Sequence[Outage],
    *,
    end_us: int,
    least_bps: int,
) -> Usefulness:
    """Of a link from time 0 on; `carries` gives the bytes it could carry in a span, were it not for
    the outages."""
    pieces = []
    for start in range(0, end_us, PIECE_US):
        end = start + PIECE_US
        gone = any(one.at_us < end and one.end_us > start for one in outages)
        pieces.append(Capacity(start, end, 0 if gone else carries(start, end)))
    return Usefulness(pieces, least_bps=least_bps)


def fresh_us(outage_us: tuple[int, int], shown_us: Sequence[tuple[int, int]]) -> int | None:
    """From the end of an outage until the first frame captured after it is shown; frames as pairs
    of both times. None when there is none."""
    _, end_us = outage_us
    fresh = [shown for captured, shown in shown_us if captured >= end_us]
    return min(fresh) - end_us if fresh else None


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that touch, as one."""
    joined = list(spans[:1])
    for start, end in spans[1:]:
        if start == joined[-1][1]:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined
