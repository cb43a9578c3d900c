# SPDX-License-Identifier: Apache-2.0
"""A live source that disappears comes back: it is opened again until it is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.errors import EndOfSource, SourceError
from services.measure.source_health import SourceHealth, health_of
from services.media.sources.source import CapturedFrame, Clock, Source


@dataclass(frozen=True, slots=True)
class Pauses:
    """Between two attempts: the first, doubled up to the longest.

    A source that gave frames for `calm_us` is healthy: the next pause is the first again.
    """

    first_us: int
    longest_us: int
    calm_us: int = 0


# The picture shall be back within a second of the camera: half of it is for opening and the way.
OF_DEVICES = Pauses(125_000, 500_000)
# A server that restarts or refuses us needs longer pauses.
OF_ADDRESSES = Pauses(500_000, 5_000_000, calm_us=5_000_000)
_MAX_RESUMES = 5  # of a file that breaks off again and again without a new picture


class RetryingSource:
    """Wraps a live source; while it is gone `read` returns None.

    `tell` gets one sentence when the source goes and one when it is back. The first opening is not
    retried: an error there is a wrong name more often than a loose plug. `width`, `height` and
    `fps` are those of the source that is open, or was last. A source that is not live, as a file
    of a web server, ends with its end; with `loop` it begins again.
    """

    lost = ""  # why the source is gone; empty while it is there
    attempts = 0  # to open it again, in all

    def __init__(
        self,
        opener: Callable[[], Source],
        *,
        clock: Clock,
        tell: Callable[[str], None],
        pauses: Pauses = OF_DEVICES,
        loop: bool = False,
    ) -> None:
        """Open the source. Raises SourceError when that fails."""
        self._opener = opener
        self._clock = clock
        self._tell = tell
        self._pauses = pauses
        self._loop = loop
        self._source: Source | None = None
        self._before = SourceHealth()  # of the sources before this one
        self._open()
        self._pause_us = pauses.first_us
        self._retry_us = 0
        self._well_since_us: int | None = None
        self._in_vain = 0
        self._closed = False

    @property
    def health(self) -> SourceHealth:
        """See `SourceHealth`; over all openings."""
        source = self._source
        return self._before if source is None else health_of(source).after(self._before)

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """See `Source.read`; a live source that is gone raises nothing."""
        if self._source is None and not self._reopened(timeout_s):
            return None
        assert self._source is not None
        try:
            captured = self._source.read(timeout_s)
        except EndOfSource:
            if not self._loop or self._closed:
                raise
            self._again()
            return None
        except SourceError as error:
            self._lose(error)
            return None
        if captured is not None:
            self._well()
        return captured

    def close(self) -> None:
        """Close the source and stop trying."""
        self._closed = True
        self._shut()

    def _open(self) -> None:
        source = self._opener()
        self.name, self.fps, self.live = source.name, source.fps, source.live
        self.width, self.height = source.width, source.height
        self._source = source

    def _shut(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            self._before = health_of(source).after(self._before)
            source.close()

    def _again(self) -> None:
        """The next round of a file."""
        self._shut()
        try:
            self._open()
        except SourceError as error:
            self._lose(error)

    def _well(self) -> None:
        now_us = self._clock.now_us()
        self._in_vain = 0
        if self._well_since_us is None:
            self._well_since_us = now_us
        if now_us - self._well_since_us >= self._pauses.calm_us:
            self._pause_us = self._pauses.first_us

    def _reopened(self, timeout_s: float) -> bool:
        wait_us = self._retry_us - self._clock.now_us()
        if self._closed or wait_us > timeout_s * 1e6:
            self._clock.sleep_us(int(timeout_s * 1e6))
            return False
        if wait_us > 0:
            self._clock.sleep_us(wait_us)
        self.attempts += 1
        try:
            self._open()
        except SourceError as error:
            self.lost = str(error)
            self._schedule(error)
            return False
        self.lost = ""
        self._tell(f"{self.name}: back again")
        return True

    def _lose(self, error: SourceError) -> None:
        self._shut()
        self._before = SourceHealth(restarts=1).after(self._before)
        self.lost = str(error)
        self._schedule(error)
        self._tell(f"{error}; trying again until it is back")

    def _schedule(self, error: SourceError) -> None:
        self._in_vain += 1
        if not self.live and self._in_vain > _MAX_RESUMES:
            raise error
        self._well_since_us = None
        self._retry_us = self._clock.now_us() + self._pause_us
        self._pause_us = min(2 * self._pause_us, self._pauses.longest_us)
