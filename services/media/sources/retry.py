# SPDX-License-Identifier: Apache-2.0
"""A live source that disappears comes back: it is opened again until it is there."""

from __future__ import annotations

from collections.abc import Callable

from services.errors import SourceError
from services.media.sources.source import CapturedFrame, Clock, Source

FIRST_PAUSE_US = 125_000
# The picture shall be back within a second of the source: half of it is for opening and the way.
LONGEST_PAUSE_US = 500_000


class RetryingSource:
    """Wraps a live source; while it is gone `read` returns None.

    `tell` gets one sentence when the source goes and one when it is back. The first opening is not
    retried: an error there is a wrong name more often than a loose plug. `width`, `height` and
    `fps` are those of the source that is open, or was last.
    """

    live = True
    lost = ""  # why the source is gone; empty while it is there
    attempts = 0  # to open it again, in all

    def __init__(
        self, opener: Callable[[], Source], *, clock: Clock, tell: Callable[[str], None]
    ) -> None:
        """Open the source. Raises SourceError when that fails."""
        self._opener = opener
        self._clock = clock
        self._tell = tell
        self._source: Source | None = None
        self._open()
        self._pause_us = FIRST_PAUSE_US
        self._retry_us = 0
        self._closed = False

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """See `Source.read`; a source that is gone raises nothing."""
        if self._source is None and not self._reopened(timeout_s):
            return None
        assert self._source is not None
        try:
            captured = self._source.read(timeout_s)
        except SourceError as error:
            self._lose(error)
            return None
        if captured is not None:
            self._pause_us = FIRST_PAUSE_US
        return captured

    def close(self) -> None:
        """Close the source and stop trying."""
        self._closed = True
        if self._source is not None:
            self._source.close()
            self._source = None

    def _open(self) -> None:
        source = self._opener()
        self.name, self.fps = source.name, source.fps
        self.width, self.height = source.width, source.height
        self._source = source

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
            self._schedule()
            return False
        self.lost = ""
        self._tell(f"{self.name}: back again")
        return True

    def _lose(self, error: SourceError) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None
        self._schedule()
        self.lost = str(error)
        self._tell(f"{error}; trying again until it is back")

    def _schedule(self) -> None:
        self._retry_us = self._clock.now_us() + self._pause_us
        self._pause_us = min(2 * self._pause_us, LONGEST_PAUSE_US)
