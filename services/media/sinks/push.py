# SPDX-License-Identifier: Apache-2.0
"""The bridge: H.264 to a media server, for audiences beyond what relays serve."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from urllib.parse import urlsplit

from services import logs
from services.errors import SinkError
from services.media.sinks.pushing import FORMATS, Answer, Picture, push_pictures
from streamcodec.frame import Frame

_RETRY_S = 2.0
_TIMEOUT_S = 5.0
_GRACE_S = 1.0  # the process ends itself first
_START_S = 60.0


class PushSink:
    """Has frames encoded again and handed to a server; a server that goes is tried again.

    The work is done in a process of its own, which ends when the server says nothing for
    `timeout_s`: a wait inside FFmpeg can be ended in no other way. Used in the recorder's thread,
    so that a slow server costs pictures there and none here.
    """

    every_frame = True

    def __init__(
        self,
        url: str,
        *,
        fps: float,
        clock_s: Callable[[], float] = time.monotonic,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        """Raises SinkError when the address is none that can be pushed to."""
        parts = urlsplit(url)
        if parts.scheme not in FORMATS or not parts.hostname:
            raise SinkError(f"{url}: can push to rtsp://, rtmp:// and srt:// addresses only")
        # Addresses hold stream keys: only the host is ever told.
        self._name = f"{parts.scheme}://{parts.hostname}"
        self._url, self._fps = url, fps
        self._clock_s, self._timeout_s = clock_s, timeout_s
        self._log = logs.get("push")
        self._retry_s = clock_s()
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self.frames = 0
        self.failures = 0
        self._start()

    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        """Encode and send; while the server is away frames are left out."""
        if self._clock_s() < self._retry_s:
            return
        if self._pipe is None:
            self._start()
        answer = self._ask(Picture(frame, shown_us), self._timeout_s + _GRACE_S)
        if answer is None:
            self._end()
            answer = Answer(f"it said nothing for {self._timeout_s:g} s")
        if not answer.failure:
            self.frames += 1
            return
        self.failures += 1
        self._retry_s = self._clock_s() + _RETRY_S
        self._log.warning("push_failed", to=self._name, reason=answer.failure)

    def close(self) -> None:
        """End the stream at the server, and the process."""
        if self._pipe is not None and self._process is not None:
            with contextlib.suppress(OSError):
                self._pipe.send(None)
            self._process.join(self._timeout_s + _GRACE_S)
        self._end()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        with theirs:
            self._process = context.Process(
                target=push_pictures,
                args=(theirs, self._url, self._fps, self._timeout_s),
                name="push",
                daemon=True,
            )
            self._process.start()
        answer = self._ask(None, _START_S)
        if answer is None or answer.final:
            self._end()
            reason = answer.failure if answer is not None else "its process did not start"
            raise SinkError(f"{self._name}: cannot be pushed to ({reason})")

    def _ask(self, picture: Picture | None, timeout_s: float) -> Answer | None:
        """What the process answers; None when it does not, or is gone."""
        assert self._pipe is not None
        with contextlib.suppress(EOFError, OSError):
            if picture is not None:
                self._pipe.send(picture)
            if self._pipe.poll(timeout_s):
                answer = self._pipe.recv()
                assert isinstance(answer, Answer)
                return answer
        return None

    def _end(self) -> None:
        process, self._process = self._process, None
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.kill()
            process.join()
            process.close()
