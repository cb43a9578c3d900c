# SPDX-License-Identifier: Apache-2.0
"""The interface of sources, and the clock that times them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from services.process.clock import now_us
from streamcodec.frame import Frame


@dataclass(frozen=True, slots=True)
class CapturedFrame:
    """A frame and when it was captured, on `time.monotonic_ns() // 1000`."""

    frame: Frame
    captured_us: int


class Source(Protocol):
    """Frames in real time.

    `width`, `height` and `fps` are those of the first frame; later frames may differ in size.
    `live` sources lose what is not read in time; the others wait.
    """

    @property
    def name(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def fps(self) -> float: ...
    @property
    def live(self) -> bool: ...

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """The next frame, or None when none came within the timeout.

        Raises EndOfSource after the last frame and SourceError when the source is gone.
        """
        ...

    def close(self) -> None:
        """Free the device or file; safe to call twice."""
        ...


class Clock(Protocol):
    """Time for sources that wait for a frame's turn."""

    def now_us(self) -> int: ...
    def sleep_us(self, span_us: int) -> None: ...


class WallClock:
    """The monotonic clock that all processes of one boot share."""

    def now_us(self) -> int:
        return now_us()

    def sleep_us(self, span_us: int) -> None:
        time.sleep(max(0, span_us) / 1e6)
