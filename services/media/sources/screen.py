# SPDX-License-Identifier: Apache-2.0
"""The screen of this machine."""

from __future__ import annotations

import os
import sys

import cv2
import numpy as np

from services.errors import SourceError
from services.media.sources.source import CapturedFrame, Clock
from streamcodec.frame import MAX_HEIGHT_PX, MAX_WIDTH_PX, Frame


class ScreenSource:
    """One monitor, grabbed at a steady rate, reduced to `size` or to what the codec takes."""

    live = True

    def __init__(
        self, monitor: int, *, size: tuple[int, int] | None, fps: float, clock: Clock
    ) -> None:
        """`monitor` counts from 1. Raises SourceError when there is no screen to grab."""
        self.name, self.fps = f"screen:{monitor}", fps
        self._clock = clock
        if sys.platform == "linux" and not os.environ.get("DISPLAY"):
            raise SourceError(
                "screen: there is no display (DISPLAY is unset); try scene:640x360@30"
            )
        try:
            import mss  # noqa: PLC0415  # only the screen needs it
        except ImportError:
            raise SourceError("screen: needs the package mss (pip install mss)") from None
        try:
            self._grabber = mss.mss()
            monitors = self._grabber.monitors[1:]
        except mss.ScreenShotError as error:
            raise SourceError(f"screen: cannot be grabbed ({error})") from None
        self._failure = mss.ScreenShotError
        if not 1 <= monitor <= len(monitors):
            self._grabber.close()
            raise SourceError(f"screen:{monitor}: this machine has {len(monitors)} monitor(s)")
        self._area = monitors[monitor - 1]
        self.width, self.height = size or _fitting(self._area["width"], self._area["height"])
        self._next_us = 0

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """See `Source.read`."""
        now_us = self._clock.now_us()
        self._next_us = max(self._next_us, now_us)
        wait_us = self._next_us - now_us
        if wait_us > timeout_s * 1e6:
            self._clock.sleep_us(int(timeout_s * 1e6))
            return None
        if wait_us > 0:
            self._clock.sleep_us(wait_us)
        self._next_us += round(1e6 / self.fps)
        captured_us = self._clock.now_us()
        try:
            shot = self._grabber.grab(self._area)
        except self._failure as error:
            raise SourceError(f"{self.name}: cannot be grabbed any more ({error})") from None
        pixels = np.frombuffer(shot.raw, np.uint8).reshape(shot.height, shot.width, 4)[..., :3]
        if (shot.width, shot.height) != (self.width, self.height):
            pixels = np.asarray(
                cv2.resize(pixels, (self.width, self.height), interpolation=cv2.INTER_AREA),
                np.uint8,
            )
        return CapturedFrame(Frame.from_bgr(np.ascontiguousarray(pixels)), captured_us)

    def close(self) -> None:
        """Disconnect from the display."""
        self._grabber.close()


def _fitting(width: int, height: int) -> tuple[int, int]:
    """The size itself, or reduced to the codec's limits with its shape kept."""
    scale = min(1.0, MAX_WIDTH_PX / width, MAX_HEIGHT_PX / height)
    return int(width * scale), int(height * scale)
