# SPDX-License-Identifier: Apache-2.0
"""Keeps encoding within the frame period by making frames smaller; pure.

Choosing, quantising and coding symbols take time that grows with the bytes of a frame. When frames
take longer than their period, the size is cut step by step; when there is time to spare it grows
back. Below the least size cutting helps no more, and frames are skipped instead.
"""

from __future__ import annotations

BUSY_SHARE = 0.9  # of the frame period: above it frames will be missed
IDLE_SHARE = 0.65  # below it there is time for finer frames
_CUT = 0.8
_GROWTH = 1.04
_SMOOTHING = 0.3
_SETTLE_FRAMES = 6  # between two cuts, for the average to show what the first one did


class CpuGovernor:
    """The most bytes a frame may weigh, from how long the last ones took to encode."""

    def __init__(self, *, frame_interval_us: int, least_bytes: int, most_bytes: int) -> None:
        self._interval_us = frame_interval_us
        self._least_bytes = least_bytes
        self._most_bytes = most_bytes
        self._cap_bytes = float(most_bytes)
        self._encode_us = 0.0
        self._size_bytes = 0.0
        self._settling = 0

    @property
    def cap_bytes(self) -> int:
        """What the next frame may weigh."""
        return int(self._cap_bytes)

    def encoded(self, *, encode_us: int, size_bytes: int) -> None:
        """An inter frame took this long. Keyframes are not counted: they are rare and slow."""
        if self._encode_us == 0.0:
            self._encode_us, self._size_bytes = float(encode_us), float(size_bytes)
        self._encode_us += _SMOOTHING * (encode_us - self._encode_us)
        self._size_bytes += _SMOOTHING * (size_bytes - self._size_bytes)
        self._settling = max(0, self._settling - 1)
        if self._encode_us > BUSY_SHARE * self._interval_us:
            if self._settling:
                return
            self._settling = _SETTLE_FRAMES
            cut = _CUT * min(self._cap_bytes, 1.2 * self._size_bytes)
            self._cap_bytes = max(float(self._least_bytes), cut)
        elif self._encode_us < IDLE_SHARE * self._interval_us:
            self._cap_bytes = min(float(self._most_bytes), _GROWTH * self._cap_bytes)
