# SPDX-License-Identifier: Apache-2.0
"""How large the coded picture is: what became of frames in, the step of the next one out; pure.

Theory of operation. A thin link first costs quality, then frames; only when both are nearly used
up does a smaller picture help. Measured with size S on natural clips (docs/link.md, section 2.4):
at the same bytes three quarters of the sides look better only where the full size has quality 9 to
19 or less, by content, and by up to 1.3 dB; at quality 30 the full size is ahead by 1.5 to 3 dB.
So each second of frames is judged as a whole.

    second      when
    poor        most coded frames were held below `POOR_QUALITY` by the link,
                or the link left no room for more than `MOST` of the frames
    rich        at the next larger size most frames would still have `POOR_QUALITY` and a margin,
                and the budgets would have room for all but `FEW` of the frames
    neither     anything else, and a second of too few frames (an outage is not thinness)

`DOWN_S` poor seconds in a row take a step down, `UP_S` rich ones a step up. Rich is judged by what
the larger size needs, so a step up that is taken can be kept; where content or link prove that
wrong soon, the next step up waits twice as long. After each step some seconds are left out, in
which a keyframe is paid for and refined.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

POOR_QUALITY = 16  # amid those at which full size and three quarters are alike
LARGER_COSTS = 5  # qualities that the next larger size costs at the same bytes (3 to 7)
MARGIN = 4  # qualities between a step down and a step up: 40% more bytes
MOST = 0.6  # of the frames skipped: below 12 of 30 frames a second motion falls apart
FEW = 0.4
LEAST_FRAMES = 5  # in a second: an overloaded machine captures few, and that tells of no link
DOWN_S = 3  # longer than a dip of a mobile link, than a keyframe and its refinement
UP_S = 8  # a size that changes often is worse to watch than one that is small
MAX_UP_S = 64
REGRET_US = 30_000_000  # a step down this soon after one up: the step up was wrong
SETTLE_US = 2_000_000
LEAST_SIDE_PX = 16
FULL_BYTES = 600  # least useful frame at full size, as in `services.rate.congestion`
SMALL_BYTES = 340  # at smaller ones, by area; below, a quarter of the link goes to framing
_SECOND_US = 1_000_000


class Step(Enum):
    """A size of the coded picture, as a share of each side in quarters."""

    FULL = 4
    THREE_QUARTERS = 3
    HALF = 2

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Sides of this step in pixels: even, and not below 16 unless the picture itself is."""
        if self is Step.FULL:
            return width, height
        return self._side(width), self._side(height)

    def _side(self, side: int) -> int:
        return min(side, max(LEAST_SIDE_PX, 2 * round(side * self.value / 8)))


_STEPS = (Step.FULL, Step.THREE_QUARTERS, Step.HALF)


@dataclass(slots=True)
class _Second:
    """What one second of frames showed."""

    began_us: int
    coded: int = 0
    skipped: int = 0
    poor: int = 0
    rich: int = 0
    budget_bytes: float = 0.0


class Resolution:
    """Decides the step for one encoder. Call `coded` or `skipped` for every captured frame."""

    def __init__(self, now_us: int, *, follows: bool = True) -> None:
        """Start at full size; it stays there unless it `follows` the link."""
        self._follows = follows
        self._at = 0
        self._second = _Second(now_us)
        self._poor_s = self._rich_s = 0
        self._patience_s = UP_S
        self._raised_us: int | None = None
        self._settled_us = now_us
        self.changes = 0

    @property
    def step(self) -> Step:
        """The size of the next frame."""
        return _STEPS[self._at]

    @property
    def least_bytes(self) -> int | None:
        """Least useful frame at this step; None at full size: the stream's own."""
        return SMALL_BYTES if self._at else None

    def coded(
        self, *, quality: int, limit: str, size_bytes: int, budget_bytes: int | None, now_us: int
    ) -> bool:
        """A frame was coded, held back by `limit`; True when the step changes with the next."""
        second = self._second
        second.coded += 1
        second.poor += limit == "bandwidth" and quality < POOR_QUALITY
        second.rich += self._affords_larger(quality, size_bytes, budget_bytes)
        second.budget_bytes += FULL_BYTES if budget_bytes is None else budget_bytes
        return self._judge(now_us)

    def skipped(self, now_us: int) -> bool:
        """The link left no room for a frame; True when the step changes with the next."""
        self._second.skipped += 1
        return self._judge(now_us)

    def _affords_larger(self, quality: int, size_bytes: int, budget_bytes: int | None) -> bool:
        if quality - LARGER_COSTS >= POOR_QUALITY + MARGIN:
            return True
        # Coarse because asked for, not for want of bytes: the larger one would fit as it is.
        larger = _STEPS[max(0, self._at - 1)].value ** 2 / self.step.value**2
        return budget_bytes is None or size_bytes * larger <= budget_bytes

    def _judge(self, now_us: int) -> bool:
        if now_us - self._second.began_us < _SECOND_US:
            return False
        second, self._second = self._second, _Second(now_us)
        frames = second.coded + second.skipped
        if not self._follows or now_us < self._settled_us:
            return False
        if not second.coded or frames < LEAST_FRAMES:
            return False
        poor = 2 * second.poor > second.coded or second.skipped > MOST * frames
        larger_bytes = FULL_BYTES if self._at == 1 else SMALL_BYTES
        room = second.budget_bytes >= (1 - FEW) * frames * larger_bytes
        rich = 2 * second.rich > second.coded and room and not poor
        self._poor_s = self._poor_s + 1 if poor else 0
        self._rich_s = self._rich_s + 1 if rich else 0
        if self._poor_s >= DOWN_S and self._at + 1 < len(_STEPS):
            if self._raised_us is not None and now_us - self._raised_us < REGRET_US:
                self._patience_s = min(MAX_UP_S, 2 * self._patience_s)
            self._raised_us = None
            return self._go(self._at + 1, now_us)
        if self._rich_s >= self._patience_s and self._at:
            self._raised_us = now_us
            return self._go(self._at - 1, now_us)
        if self._raised_us is not None and now_us - self._raised_us >= REGRET_US:
            self._patience_s, self._raised_us = UP_S, None
        return False

    def _go(self, at: int, now_us: int) -> bool:
        self._at = at
        self._poor_s = self._rich_s = 0
        self._settled_us = now_us + SETTLE_US
        self.changes += 1
        return True
