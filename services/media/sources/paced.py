# SPDX-License-Identifier: Apache-2.0
"""Sources that could run faster than real time (files, the scene), held to their timestamps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from services.errors import EndOfSource, SourceError
from services.measure.source_health import SourceHealth
from services.media.files.reader import TimedFrame
from services.media.scene import Scene
from services.media.sources.source import CapturedFrame, Clock

MAX_LATE_US = 250_000  # a source this far behind resets its clock, instead of a burst


class PacedSource:
    """Plays frames with timestamps in real time; each is read ahead while the last one shows.

    `opener` starts the material from its beginning: once, or again and again with `loop`. No frame
    is left out: a slow reader delays the rest.
    """

    live = False

    def __init__(
        self,
        name: str,
        opener: Callable[[], Iterator[TimedFrame]],
        *,
        fps: float,
        loop: bool,
        clock: Clock,
        damaged: Callable[[], int] = lambda: 0,
    ) -> None:
        """Read the first frame. Raises SourceError when there is none."""
        self.name, self.fps = name, fps
        self._damaged = damaged
        self._opener = opener
        self._loop = loop
        self._clock = clock
        self._start_us: int | None = None  # when the frame with time 0 is due
        self._last_due_us = 0
        self._frames = opener()
        self._next = next(self._frames, None)
        if self._next is None:
            raise SourceError(f"{name}: there is no frame in it")
        self.width, self.height = self._next.frame.width, self._next.frame.height

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """See `Source.read`."""
        if self._next is None:
            self._next = self._following()
        now_us = self._clock.now_us()
        if self._start_us is None or self._due_us(self._next) < now_us - MAX_LATE_US:
            self._start_us = now_us - self._next.time_us
        wait_us = self._due_us(self._next) - now_us
        if wait_us > timeout_s * 1e6:
            self._clock.sleep_us(int(timeout_s * 1e6))
            return None
        if wait_us > 0:
            self._clock.sleep_us(wait_us)
        self._last_due_us = self._due_us(self._next)
        frame, self._next = self._next.frame, None
        return CapturedFrame(frame, self._clock.now_us())

    @property
    def health(self) -> SourceHealth:
        """How many pictures were left out."""
        return SourceHealth(frames_damaged=self._damaged())

    def close(self) -> None:
        """Let go of the file."""
        closing = getattr(self._frames, "close", None)
        if closing is not None:
            closing()
        self._frames = iter(())
        self._loop = False

    def _due_us(self, timed: TimedFrame) -> int:
        assert self._start_us is not None
        return self._start_us + timed.time_us

    def _following(self) -> TimedFrame:
        following = next(self._frames, None)
        if following is None and self._loop:
            self._frames = self._opener()
            following = next(self._frames, None)
            # The first frame of the next round follows the last of this one at the usual interval.
            self._start_us = self._last_due_us + round(1e6 / self.fps)
        if following is None:
            raise EndOfSource(self.name)
        return following


class SceneSource:
    """The built-in scene in real time: late readers get the picture of now."""

    live = True

    def __init__(self, scene: Scene, *, clock: Clock) -> None:
        self.width, self.height, self.fps = scene.width, scene.height, scene.fps
        self.name = f"scene:{scene.width}x{scene.height}@{scene.fps:g}"
        self._scene = scene
        self._clock = clock
        self._start_us: int | None = None
        self._index = 0

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """See `Source.read`; the scene never ends."""
        now_us = self._clock.now_us()
        if self._start_us is None:
            self._start_us = now_us
        elapsed = int((now_us - self._start_us) * self.fps / 1e6)
        self._index = max(self._index, elapsed)
        wait_us = self._start_us + round(self._index * 1e6 / self.fps) - now_us
        if wait_us > timeout_s * 1e6:
            self._clock.sleep_us(int(timeout_s * 1e6))
            return None
        if wait_us > 0:
            self._clock.sleep_us(wait_us)
        frame = self._scene.frame(self._index)
        self._index += 1
        return CapturedFrame(frame, self._clock.now_us())

    def close(self) -> None:
        """Nothing to free."""
