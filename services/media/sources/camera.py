# SPDX-License-Identifier: Apache-2.0
"""Cameras through OpenCV, by index or device path."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import cv2
import numpy as np

from services.errors import SourceError
from services.media.sources.latest import LatestFrames
from services.media.sources.source import CapturedFrame, Clock
from streamcodec.errors import FrameError
from streamcodec.frame import Frame

_DEFAULT_FPS = 30.0
_MAX_FAILURES = 5  # a camera may miss a frame or two, above all the first


class CameraSource:
    """A camera, read in a thread of its own so that the newest frame is always at hand."""

    live = True

    def __init__(
        self, device: str, *, size: tuple[int, int] | None, fps: float | None, clock: Clock
    ) -> None:
        """Open `device` (an index or path) and wait for its first frame.

        `size` and `fps` are asked for: the camera gives what it can. Raises SourceError
        with the reason when it cannot be opened.
        """
        self.name = f"camera:{device}"
        self._capture = cv2.VideoCapture()
        self._capture.setExceptionMode(False)
        if not self._open(device):
            raise SourceError(f"{self.name}: {_diagnosis(device)}")
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if size is not None:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        if fps is not None:
            self._capture.set(cv2.CAP_PROP_FPS, fps)
        try:
            first = self._grab()
        except (SourceError, FrameError) as error:
            self._capture.release()
            raise SourceError(f"{self.name}: it opened but sends no pictures ({error})") from None
        self.width, self.height = first.width, first.height
        told = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = told if 1 <= told <= 240 else _DEFAULT_FPS
        self._frames = LatestFrames(
            self.name, self._grab, release=self._capture.release, clock=clock
        )

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """See `Source.read`."""
        return self._frames.read(timeout_s)

    def close(self) -> None:
        """Stop reading and free the camera."""
        self._frames.close()

    def _open(self, device: str) -> bool:
        # OpenCV's own lines on standard error would come beside our sentence.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        if not device.isdecimal():
            return bool(self._capture.open(device))
        backend = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
        return bool(self._capture.open(int(device), backend))

    def _grab(self) -> Frame:
        for _ in range(_MAX_FAILURES):
            received, pixels = self._capture.read()
            if received and pixels is not None:
                if pixels.ndim == 2:
                    return Frame.grey(np.array(pixels, np.uint8))
                return Frame.from_bgr(np.asarray(pixels, np.uint8))
        raise SourceError(f"{self.name}: the camera stopped sending pictures; is it unplugged?")


def list_cameras() -> list[str]:
    """Paths of the video devices of this machine, as far as the system tells (Linux)."""
    return sorted(str(path) for path in Path("/dev").glob("video*"))


def _diagnosis(device: str) -> str:
    """Why a camera did not open, and what to do."""
    if sys.platform != "linux":
        return "cannot be opened; is it plugged in, and not in use by another program?"
    path = f"/dev/video{device}" if device.isdecimal() else device
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
    except FileNotFoundError:
        found = list_cameras()
        hint = f"cameras here: {', '.join(found)}" if found else "there is no camera here"
        return f"no such device {path} ({hint}); try scene:640x360@30 or a file"
    except PermissionError:
        return f"not allowed to open {path}; add this user to the group 'video'"
    except OSError as error:
        if error.errno == errno.EBUSY:
            return f"{path} is busy: close the program that uses it"
        return f"{path} cannot be opened ({error.strerror})"
    return f"{path} does not deliver pictures; it may be busy, or not a camera"
