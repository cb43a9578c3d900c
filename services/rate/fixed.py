# SPDX-License-Identifier: Apache-2.0
"""A fixed bit rate; pure."""

from __future__ import annotations

KEYFRAME_PERIODS = 6  # a keyframe at a fixed rate may borrow this many frames' bytes
SAVED_PERIODS = 2  # frames that were skipped or small leave this much at most


class FixedRate:
    """Bytes per frame at a fixed bit rate: a bucket that a keyframe may overdraw."""

    def __init__(self, *, bits_per_s: int, frame_interval_us: int) -> None:
        self._bytes_per_us = bits_per_s / 8e6
        self._interval_us = frame_interval_us
        self._level = 0.0  # bytes saved; negative after a keyframe
        self._filled_us: int | None = None

    def budget_bytes(self, now_us: int, *, keyframe: bool) -> int:
        """Bytes the next frame may weigh. While a keyframe is paid off that is half a period's."""
        period = self._bytes_per_us * self._interval_us
        if self._filled_us is None:
            self._level = period
        else:
            self._level += self._bytes_per_us * (now_us - self._filled_us)
        self._filled_us = now_us
        self._level = min(self._level, SAVED_PERIODS * period)
        if keyframe:
            return int(max(0.0, self._level) + (KEYFRAME_PERIODS - 1) * period)
        return int(max(self._level, 0.5 * period))

    def spend(self, size_bytes: int) -> None:
        """A frame of this size was sent."""
        self._level -= size_bytes
