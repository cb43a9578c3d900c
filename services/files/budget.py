# SPDX-License-Identifier: Apache-2.0
"""How many bytes each frame of a file may have so that the whole keeps to a bit rate."""

from __future__ import annotations

_KEY_SHARE = 8  # a keyframe takes about as many bytes as this many inter frames of equal quality
_MAX_KEY_PART = 0.5  # of a short file's bytes
_REPAY_S = 1.0  # what the keyframe overdrew is paid back over about this long
_ROUNDING = 0.05  # of a span: stamps in whole milliseconds are no varying frame rate


class FileBudget:
    """Byte budgets, frame by frame: generous to the keyframe, then paying its debt back.

    After a few seconds the file is within its rate; no budget is below `floor_bytes`. A frame's
    share goes by the time since the frame before it: a varying frame rate keeps the bit rate, too.
    """

    def __init__(
        self, kbps: float, *, fps: float, frames: int | None, floor_bytes: int = 40
    ) -> None:
        self._second_bytes = kbps * 1000 / 8
        self._mean_bytes = kbps * 1000 / 8 / fps
        self._repay_frames = max(1.0, fps * _REPAY_S)
        self._frames = frames
        self._floor_bytes = floor_bytes
        self._debt_bytes = 0.0
        self._share_bytes = self._mean_bytes
        self._coded = 0

    def next_bytes(self, *, span_us: int | None = None, left: int | None = None) -> int:
        """The budget of the next frame.

        `span_us` is its time after the frame before, None for the usual one. `left` frames come
        after it, as far as that is known.
        """
        if left is not None:
            self._frames = self._coded + 1 + left
        self._share_bytes = self._mean_bytes
        if span_us is not None:
            self._share_bytes = self._second_bytes * min(span_us / 1e6, _REPAY_S)
            if abs(self._share_bytes / self._mean_bytes - 1) < _ROUNDING:
                self._share_bytes = self._mean_bytes
        budget = self._share_bytes - self._debt_bytes / self._repay_frames
        if self._coded == 0:
            budget = self._mean_bytes * _KEY_SHARE
            if self._frames is not None:
                part = _MAX_KEY_PART if self._frames > 1 else 1.0
                budget = min(budget, max(self._mean_bytes * self._frames * part, self._mean_bytes))
        elif self._frames is not None:
            # Near the end there are few frames left to pay with.
            rest = max(1, self._frames - self._coded)
            budget = min(budget, self._share_bytes - self._debt_bytes / rest)
        return max(self._floor_bytes, int(budget))

    def spent(self, packet_bytes: int) -> None:
        """Note what the frame took."""
        self._debt_bytes += packet_bytes - self._share_bytes
        # What was saved is not hoarded beyond the same span: a burst would break the rate.
        self._debt_bytes = max(self._debt_bytes, -self._mean_bytes * self._repay_frames)
        self._coded += 1
