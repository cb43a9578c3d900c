# SPDX-License-Identifier: Apache-2.0
"""Devices that block: a thread of their own reads them, and the newest frame is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable

from services.errors import EndOfSource, SourceError
from services.media.boundary import reason
from services.media.sources.source import CapturedFrame, Clock
from streamcodec.errors import FrameError
from streamcodec.frame import Frame

_JOIN_S = 2.0


class LatestFrames:
    """Calls `grab` in a thread until it raises; `read` gives the newest frame not yet given.

    `grab` blocks until a frame comes and raises SourceError or EndOfSource when none will.
    `release` frees the device; the thread calls it when it ends, since a device must not be freed
    while it is being read.
    """

    def __init__(
        self,
        name: str,
        grab: Callable[[], Frame],
        *,
        release: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._name = name
        self._clock = clock
        self._condition = threading.Condition()
        self._newest: CapturedFrame | None = None
        # Kind and text, not the exception: its traceback would hold this object, and with it the
        # device, until the next full collection.
        self._end: tuple[type[Exception], str] | None = None
        self._closing = False
        self._thread = threading.Thread(
            target=self._run, args=(grab, release), name=f"source {name}", daemon=True
        )
        self._thread.start()

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """See `Source.read`."""
        with self._condition:
            if self._newest is None and self._end is None:
                self._condition.wait(timeout_s)
            newest, self._newest = self._newest, None
            if newest is None and self._end is not None:
                kind, text = self._end
                raise kind(text)
        return newest

    def close(self) -> None:
        """End the thread; a device that blocks is left to free itself when it returns."""
        with self._condition:
            self._closing = True
            self._newest = None
            self._end = self._end or (EndOfSource, self._name)
            self._condition.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_S)

    def _run(self, grab: Callable[[], Frame], release: Callable[[], None]) -> None:
        try:
            while not self._closing:
                frame = grab()
                captured = CapturedFrame(frame, self._clock.now_us())
                with self._condition:
                    self._newest = None if self._closing else captured
                    self._condition.notify()
        except (SourceError, EndOfSource) as error:
            self._fail(type(error), str(error))
        except FrameError as error:
            self._fail(SourceError, f"{self._name}: {error}")
        except Exception as error:  # the reader must hear of it, whatever it is
            self._fail(SourceError, f"{self._name}: reading failed ({reason(error)})")
        finally:
            release()

    def _fail(self, kind: type[Exception], text: str) -> None:
        with self._condition:
            self._end = self._end or (kind, text)
            self._condition.notify_all()
