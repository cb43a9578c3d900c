# SPDX-License-Identifier: Apache-2.0
"""What the next frame may weigh at a fixed rate, and what any rate control can be asked; pure."""

from __future__ import annotations

from typing import Protocol

from services.rate.congestion import Ack, Budget

KEYFRAME_PERIODS = 6  # a keyframe at a fixed rate may borrow this many frames' bytes
SAVED_PERIODS = 2  # frames that were skipped or small leave this much at most


class Congestion(Protocol):
    """Rate control of one receiver, see `services.rate.congestion.CongestionController`."""

    @property
    def capacity_bps(self) -> int: ...
    @property
    def queue_us(self) -> int: ...
    @property
    def min_rtt_us(self) -> int | None: ...

    def on_sent(self, frame_id: int, size_bytes: int, now_us: int) -> None: ...
    def on_ack(self, ack: Ack, now_us: int) -> None: ...
    def on_reset(self, now_us: int) -> None: ...
    def budget(self, now_us: int, *, encode_us: int, floor_bytes: int | None = None) -> Budget: ...


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
