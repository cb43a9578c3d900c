# SPDX-License-Identifier: Apache-2.0
"""The received picture as a camera of this machine, for programs that read cameras (v4l2loopback).

Drawn by pyvirtualcam, which comes with the extra `camera` and is imported here only.
"""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from services.errors import ConfigError, SinkError
from services.media.scaling import fitted
from services.media.sinks.sink import StreamFacts
from streamcodec.frame import Frame

SETTING = "receiver.virtual_camera"


class VirtualCameraSink:
    """Shows the newest frame on a device that others open as a camera.

    The first frame decides the size, which readers of the device hold on to; later frames of
    another size are scaled to it.
    """

    every_frame = False

    def __init__(self, device: str, *, fps: float) -> None:
        """Raises ConfigError when the extra is not installed or there is no such device."""
        try:
            self._library = importlib.import_module("pyvirtualcam")
        except ImportError:
            raise ConfigError(
                f"{SETTING} needs the extra 'camera': pip install 'streamcodec[camera]'"
            ) from None
        _check(device)
        self._device, self._fps = device, fps
        self._camera: Any = None
        self._size = (0, 0)
        self._closed = False

    def set_stream(self, stream: StreamFacts) -> None:
        """The frame rate of the stream, for readers of the device."""
        self._fps = stream.fps

    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        """Show a frame now. Raises SinkError when the device takes none."""
        if self._closed:
            raise SinkError(f"{self._device}: already closed")
        try:
            if self._camera is None:
                self._open(frame)
            planes = fitted(frame, *self._size).planes
            self._camera.send(np.concatenate([plane.ravel() for plane in planes]))
        except (RuntimeError, OSError, ValueError) as error:
            self.close()
            reason = " ".join(str(error).split())
            raise SinkError(f"{self._device}: takes no pictures ({reason})") from None

    def close(self) -> None:
        """Let go of the device."""
        camera, self._camera = self._camera, None
        self._closed = True
        if camera is not None:
            camera.close()

    def _open(self, frame: Frame) -> None:
        # I420 is what a frame is made of, and wants even sides.
        self._size = (max(2, frame.width // 2 * 2), max(2, frame.height // 2 * 2))
        self._camera = self._library.Camera(
            *self._size, self._fps, fmt=self._library.PixelFormat.I420, device=self._device
        )


def _check(device: str) -> None:
    """Raise ConfigError for what is wrong before the first frame, with what to do."""
    path = Path(device)
    if not path.is_char_device():
        number = re.fullmatch(r"/dev/video(\d+)", device)
        load = f"modprobe v4l2loopback video_nr={number[1]}" if number else "modprobe v4l2loopback"
        raise ConfigError(f"{SETTING} is {device!r}: there is no such device; try {load}")
    if not os.access(path, os.R_OK | os.W_OK):
        raise ConfigError(
            f"{SETTING} is {device!r}: not allowed to write to it; add this user to group 'video'"
        )
