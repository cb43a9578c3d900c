# SPDX-License-Identifier: Apache-2.0
"""The newest picture, coded for browsers only when one of them wants it, and once for all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    from streamcodec.frame import Frame

_JPEG_QUALITY = 82


class LatestPicture:
    """A sink that costs the stream nothing but keeping a frame: coding happens where it is read.

    `on_new` is called from the display thread with each frame: be quick.
    """

    every_frame = False

    def __init__(self) -> None:
        self.on_new: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._frame: Frame | None = None
        self._number = 0
        self._jpeg: tuple[int, bytes] = (0, b"")
        self._png: tuple[int, bytes] = (0, b"")

    @property
    def number(self) -> int:
        """Counts the frames; 0 before the first."""
        return self._number

    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        """Keep the frame in place of the one before."""
        with self._lock:
            self._frame = frame
            self._number += 1
        self.on_new()

    def jpeg(self) -> tuple[int, bytes]:
        """The number of the newest frame and its JPEG; (0, b"") before the first."""
        with self._lock:
            frame, number = self._frame, self._number
        if frame is None or self._jpeg[0] == number:
            return self._jpeg
        done, data = cv2.imencode(".jpg", frame.to_bgr(), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        if done:
            self._jpeg = (number, data.tobytes())
        return self._jpeg

    def png(self) -> bytes:
        """The newest frame without loss; b"" before the first."""
        with self._lock:
            frame, number = self._frame, self._number
        if frame is None or self._png[0] == number:
            return self._png[1]
        done, data = cv2.imencode(".png", frame.to_bgr())
        self._png = (number, data.tobytes() if done else b"")
        return self._png[1]

    def close(self) -> None:
        """Nothing to close."""
