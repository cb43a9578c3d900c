# SPDX-License-Identifier: Apache-2.0
"""One clock for all sources: from the stamps of pictures to times that rise from zero; pure.

Stamps rule, declared rates and counts do not. A step of more than a few seconds (or of four usual
steps, for time lapses), or a step back, is a discontinuity: a camera that set its clock, two
files joined. It is bridged by one usual step, and time goes on from there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

JUMP_US = 5_000_000
DEFAULT_STEP_US = 40_000
_JUMP_STEPS = 4
_REMEMBERED = 31
_NEAR = 0.4  # steps this far from the usual one are another frame rate


class Timeline:
    """Places stamps on a clock that starts at zero and strictly rises.

    `step_us` is the usual step as far as it is known before the first picture.
    """

    def __init__(self, *, step_us: int | None = None) -> None:
        self._first_step_us = step_us or DEFAULT_STEP_US
        self._steps: deque[int] = deque(maxlen=_REMEMBERED)
        self._stamp_us: int | None = None
        self._shift_us = 0  # what is added to stamps
        self._last_us: int | None = None
        self._repeats = 0

    @property
    def step_us(self) -> int:
        """The usual step between two pictures."""
        return _lower_median(self._steps) if self._steps else self._first_step_us

    def place(self, stamp_us: int | None) -> int:
        """The time of the next picture. None: the source gave it no stamp."""
        if self._last_us is None:
            self._stamp_us, self._shift_us = stamp_us, -(stamp_us or 0)
            self._last_us = 0
            return 0
        self._last_us = max(self._last_us + 1, self._mapped(stamp_us, self._last_us))
        return self._last_us

    def _mapped(self, stamp_us: int | None, last_us: int) -> int:
        if stamp_us is None or self._stamp_us is None:
            self._bridge(stamp_us, last_us)
            return last_us + self.step_us
        step_us = stamp_us - self._stamp_us
        if step_us == 0 and not self._repeats:
            # Two pictures of one instant: between it and the next, so that the frame rate is kept.
            self._repeats = 1
            return last_us + self.step_us // 2
        if 0 < step_us <= max(JUMP_US, _JUMP_STEPS * self.step_us):
            self._steps.append(step_us)
            self._stamp_us, self._repeats = stamp_us, 0
            return stamp_us + self._shift_us
        self._repeats = self._repeats + 1 if step_us == 0 else 0
        self._bridge(stamp_us, last_us)
        return last_us + self.step_us

    def _bridge(self, stamp_us: int | None, last_us: int) -> None:
        if stamp_us is None:
            self._stamp_us = None if self._stamp_us is None else self._stamp_us + self.step_us
            return
        self._stamp_us = stamp_us
        self._shift_us = last_us + self.step_us - stamp_us


def usual_step_us(stamps_us: Sequence[int]) -> int | None:
    """The usual step of pictures with these stamps, in any order; None where they tell none."""
    steps = _steps(stamps_us)
    return _lower_median(steps) if steps else None


def rate_of(
    stamps_us: Sequence[int], *, told: Sequence[Fraction | None] = (), tolerance: float = 0.005
) -> Fraction | None:
    """Pictures a second at which none of these is lost; None where the stamps tell nothing.

    Where the frame rate is even it is the mean, or what the file `told` when that is as close as
    `tolerance`, which stamps in whole milliseconds need. Where it varies it is the highest rate
    that a tenth of the pictures has.
    """
    steps = _steps(stamps_us)
    if not steps:
        return None
    usual = _lower_median(steps)
    near = [step for step in steps if abs(step - usual) <= _NEAR * usual]
    if len(near) < 0.9 * len(steps):
        quick = sorted(steps)[len(steps) // 10]
        near = [step for step in steps if abs(step - quick) <= _NEAR * quick]
    mean_us = Fraction(sum(near), len(near))
    for rate in told:
        if rate and rate > 0 and abs(float(rate * mean_us / 1_000_000) - 1) <= tolerance:
            return rate
    return 1_000_000 / mean_us


def _steps(stamps_us: Sequence[int]) -> list[int]:
    steps = [b - a for a, b in pairwise(sorted(stamps_us)) if b > a]
    if not steps:
        return []
    longest = max(JUMP_US, _JUMP_STEPS * _lower_median(steps))
    return [step for step in steps if step <= longest]


def _lower_median(steps: Sequence[int] | deque[int]) -> int:
    return sorted(steps)[(len(steps) - 1) // 2]
