# SPDX-License-Identifier: Apache-2.0
"""A folder of PNG files, one a frame."""

from __future__ import annotations

import re
from pathlib import Path

import cv2

from services.media.sinks.sink import write_failed
from streamcodec.frame import Frame

_NAME = re.compile(r"frame_(\d+)\.png")


class PicturesSink:
    """Writes frame_000001.png and so on, after the numbers that the folder holds already."""

    every_frame = True

    def __init__(self, folder: Path) -> None:
        """Make the folder. Raises SinkError when that is not possible."""
        self._folder = folder
        self._frames = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            taken = (_NAME.fullmatch(path.name) for path in folder.iterdir())
            self._number = max((int(match[1]) for match in taken if match), default=0)
        except OSError as error:
            raise write_failed(folder, error, frames=0) from None

    def write(self, frame: Frame, *, shown_us: int = 0, packet: bytes | None = None) -> None:
        """Write one picture; it appears under its name only when it is whole."""
        _, data = cv2.imencode(".png", frame.to_bgr())
        target = self._folder / f"frame_{self._number + 1:06d}.png"
        unfinished = target.with_suffix(".part")
        try:
            unfinished.write_bytes(data.tobytes())
            unfinished.replace(target)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise write_failed(self._folder, error, frames=self._frames) from None
        self._number += 1
        self._frames += 1

    def close(self) -> None:
        """Nothing is open between frames."""
