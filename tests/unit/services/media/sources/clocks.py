# SPDX-License-Identifier: Apache-2.0
"""Sources of few frames, on a clock that stands still until it is told."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from services.media.files.reader import TimedFrame
from services.media.sources import CapturedFrame
from services.media.sources.paced import PacedSource, SceneSource
from services.media.sources.retry import RetryingSource
from streamcodec.frame import Frame


class ManualClock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.time_us = 10_000_000

    def now_us(self) -> int:
        return self.time_us

    def sleep_us(self, span_us: int) -> None:
        assert span_us >= 0
        self.time_us += span_us


def grey(level: int, width: int = 32, height: int = 32) -> Frame:
    return Frame.grey(np.full((height, width), level, np.uint8))


def deck(*times_us: int) -> Iterator[TimedFrame]:
    return iter([TimedFrame(grey(n), t) for n, t in enumerate(times_us)])


def paced(clock: ManualClock, *times_us: int, loop: bool = False) -> PacedSource:
    return PacedSource("clip", lambda: deck(*times_us), fps=25.0, loop=loop, clock=clock)


def read(source: PacedSource | SceneSource | RetryingSource, timeout_s: float = 9) -> CapturedFrame:
    captured = source.read(timeout_s)
    assert captured is not None
    return captured
