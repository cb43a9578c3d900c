# SPDX-License-Identifier: Apache-2.0
"""What every sink promises, and how a file that cannot be written is told."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from services.errors import SinkError
from streamcodec.frame import Frame, Plane


class Sink(Protocol):
    """Takes decoded frames.

    `every_frame` sinks (recordings) want all frames in order, also those that come too late to
    be shown; the others want the newest.
    """

    @property
    def every_frame(self) -> bool: ...

    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        """Take a frame, with when it was shown (monotonic) and the packet it was decoded from.

        Raises SinkError when nothing more can be taken; what was taken before is safe.
        """
        ...

    def close(self) -> None:
        """Finish what was begun; safe to call twice. Raises SinkError where its end is lost."""
        ...


class NullSink:
    """Takes everything, keeps nothing."""

    every_frame = False

    def write(self, frame: Frame, *, shown_us: int = 0, packet: bytes | None = None) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def write_failed(name: str | Path, error: OSError, *, frames: int) -> SinkError:
    """The sentence for a file that takes no more."""
    saved = f"the {frames} frames before are saved" if frames else "nothing was written"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SinkError(f"{name}: the disk is full; {saved}")
    if error.errno == errno.ENOENT:
        saved = f"is there a folder {Path(name).parent}?"
    return SinkError(f"{name}: cannot be written ({error.strerror or error}); {saved}")


def fitted(frame: Frame, width: int, height: int) -> Frame:
    """The frame itself, or scaled to a size: files keep the size of their first frame."""
    if (frame.width, frame.height) == (width, height):
        return frame

    def scaled(plane: Plane, size: tuple[int, int]) -> Plane:
        return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)

    half = ((width + 1) // 2, (height + 1) // 2)
    return Frame(scaled(frame.y, (width, height)), scaled(frame.u, half), scaled(frame.v, half))
