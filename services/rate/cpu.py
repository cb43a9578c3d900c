# SPDX-License-Identifier: Apache-2.0
"""Keeps encoding within the frame period: less effort first, then coarser frames; pure.

Choosing, quantising and coding symbols take time that grows with quality. When frames take longer
than their period, the encoder tries less hard, as far as that goes; then the finest quality allowed
is cut step by step. When there is time to spare, quality grows back first, then effort. At the
least quality cutting helps no more, and frames are skipped instead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import log

BUSY_SHARE = 0.93  # of the frame period: above it frames will be missed
IDLE_SHARE = 0.87  # below it there is time for finer frames
# Times of an inter frame over its time at the next lower effort, at most (measured;
# docs/benchmarks.md).
_HARDER = {"best": 1.5, "normal": 1.9}
_KEYFRAME = 2.5  # times of a keyframe over that of an inter frame, at most
LEAST_QUALITY = 12
EFFORTS = ("best", "normal", "fast")  # from the hardest down
_CUT = 2.0  # indices: about 17% fewer bytes
_GROWTH = 0.15  # indices a frame, at least
_MOST_GROWTH = 1.0
_INDEX_TIME = 1.035  # times that a frame takes with each index, about
_GROW_FRAMES = 12  # over which the indices that seem to fit are taken
_SMOOTHING = 0.3
_MEDIAN_OF = 3  # frames: one that was held up by something else says nothing of the next
_SETTLE_FRAMES = 6  # between two cuts, for the average to show what the first one did
_EASY_FRAMES = 60  # with time to spare before more effort is tried
_MOST_EASY_FRAMES = 1920  # the same, where trying failed again and again
_TRIAL_FRAMES = 120  # that more effort has to fit before it counts as fitting


class CpuGovernor:
    """How hard and how finely a frame may be coded, from how long the last ones took.

    A ceiling on quality rather than on bytes: it is met by one attempt, where bytes take a search.
    `efforts` go from the one asked for down to the least.
    """

    def __init__(
        self, *, frame_interval_us: int, finest: int, efforts: Sequence[str] = ("normal",)
    ) -> None:
        self._interval_us = frame_interval_us
        self._finest = finest
        self._ceiling = float(finest)
        self._last_us: deque[int] = deque(maxlen=_MEDIAN_OF)
        self._encode_us = 0.0  # mean of medians; 0 until there is one
        self._settling = 0
        self._efforts = tuple(efforts)
        self._lowered = 0  # efforts below the one asked for
        self._easy = 0  # frames in a row with time to spare
        self._patience = _EASY_FRAMES  # of these before more effort is tried
        self._trial = 0  # frames left of one

    @property
    def ceiling(self) -> int:
        """The finest quality index of the next frame."""
        return int(self._ceiling)

    @property
    def effort(self) -> str:
        """How hard the next frame is tried."""
        return self._efforts[self._lowered]

    def began(self, *, encode_us: int) -> None:
        """The first keyframe took this long: too long, and inter frames start at less effort."""
        if encode_us > _KEYFRAME * BUSY_SHARE * self._interval_us:
            self._lowered = min(self._lowered + 1, len(self._efforts) - 1)

    def encoded(self, *, encode_us: int, quality: int) -> None:
        """An inter frame took this long. Keyframes are not counted: they are rare and slow."""
        self._last_us.append(encode_us)
        if len(self._last_us) < _MEDIAN_OF:
            return
        usual_us = sorted(self._last_us)[_MEDIAN_OF // 2]
        self._encode_us += (_SMOOTHING if self._encode_us else 1) * (usual_us - self._encode_us)
        self._settling = max(0, self._settling - 1)
        self._trial = max(0, self._trial - 1)
        if self._trial == 1:
            self._patience = _EASY_FRAMES
        if self._encode_us > BUSY_SHARE * self._interval_us:
            self._easy = 0
            if self._settling:
                return
            self._settling = _SETTLE_FRAMES
            if self._lowered + 1 < len(self._efforts):
                self._change_effort(1)
                if self._trial:
                    self._patience = min(2 * self._patience, _MOST_EASY_FRAMES)
                self._trial = 0
                return
            self._ceiling = max(float(LEAST_QUALITY), min(self._ceiling, quality) - _CUT)
        elif self._encode_us < IDLE_SHARE * self._interval_us:
            spare = IDLE_SHARE * self._interval_us / max(self._encode_us, 1.0)
            fitting = log(spare) / log(_INDEX_TIME)
            growth = min(max(fitting / _GROW_FRAMES, _GROWTH), _MOST_GROWTH)
            self._ceiling = min(float(self._finest), self._ceiling + growth)
            self._try_harder()

    def _try_harder(self) -> None:
        """More effort once quality is back and there has been much time to spare.

        The longer the more often it did not fit when it was tried.
        """
        if not self._lowered:
            return
        harder = self._efforts[self._lowered - 1]
        easy = _HARDER[harder] * self._encode_us < IDLE_SHARE * self._interval_us
        self._easy = self._easy + 1 if easy and self._ceiling >= self._finest else 0
        if self._easy >= self._patience:
            self._change_effort(-1)
            self._settling = _SETTLE_FRAMES
            self._trial = _TRIAL_FRAMES

    def _change_effort(self, lower: int) -> None:
        """What frames took before says nothing of those to come."""
        self._lowered += lower
        self._easy = 0
        self._last_us.clear()
        self._encode_us = self._apart_us = 0.0
