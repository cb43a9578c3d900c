# SPDX-License-Identifier: Apache-2.0
"""Keeps encoding within the frame period by coding frames coarser; pure.

Choosing, quantising and coding symbols take time that grows with quality. When frames take longer
than their period, the finest quality allowed is cut step by step; when there is time to spare it
grows back. At the least quality cutting helps no more, and frames are skipped instead.
"""

from __future__ import annotations

BUSY_SHARE = 0.93  # of the frame period: above it frames will be missed
IDLE_SHARE = 0.87  # below it there is time for finer frames
LEAST_QUALITY = 12
_CUT = 2.0  # indices: about 17% fewer bytes
_GROWTH = 0.15
_SMOOTHING = 0.3
_SETTLE_FRAMES = 6  # between two cuts, for the average to show what the first one did


class CpuGovernor:
    """The finest quality a frame may have, from how long the last ones took to encode.

    A ceiling on quality rather than on bytes: it is met by one attempt, where bytes take a search.
    """

    def __init__(self, *, frame_interval_us: int, finest: int) -> None:
        self._interval_us = frame_interval_us
        self._finest = finest
        self._ceiling = float(finest)
        self._encode_us = 0.0
        self._settling = 0

    @property
    def ceiling(self) -> int:
        """The finest quality index of the next frame."""
        return int(self._ceiling)

    def encoded(self, *, encode_us: int, quality: int) -> None:
        """An inter frame took this long. Keyframes are not counted: they are rare and slow."""
        if self._encode_us == 0.0:
            self._encode_us = float(encode_us)
        self._encode_us += _SMOOTHING * (encode_us - self._encode_us)
        self._settling = max(0, self._settling - 1)
        if self._encode_us > BUSY_SHARE * self._interval_us:
            if self._settling:
                return
            self._settling = _SETTLE_FRAMES
            self._ceiling = max(float(LEAST_QUALITY), min(self._ceiling, quality) - _CUT)
        elif self._encode_us < IDLE_SHARE * self._interval_us:
            self._ceiling = min(float(self._finest), self._ceiling + _GROWTH)
