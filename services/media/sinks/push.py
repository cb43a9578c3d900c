# SPDX-License-Identifier: Apache-2.0
"""The bridge: H.264 to a media server, for audiences beyond what relays serve."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from services.errors import SinkError
from services.media.sinks.pushing import FORMATS, Answer, Picture, Task
from services.process import logs
from streamcodec.frame import Frame

_RETRY_S = 2.0
_TIMEOUT_S = 5.0
_GRACE_S = 1.0  # the process ends itself first
_START_S = 60.0
_MAIN = "from services.media.sinks import pushing; pushing.main()"


class PushSink:
    """Has frames encoded again and handed to a server; a server that goes is tried again.

    The work is done in a process of its own, which ends when the server is silent for
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
        # Addresses hold stream keys: only the host is ever shown.
        self._name = f"{parts.scheme}://{parts.hostname}"
        self._url, self._fps = url, fps
        self._clock_s, self._timeout_s = clock_s, timeout_s
        self._log = logs.get("push")
        self._retry_s = clock_s()
        self._process: subprocess.Popen[bytes] | None = None
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
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self._timeout_s + _GRACE_S)
        self._end()

    def _start(self) -> None:
        self._pipe, theirs = Pipe()
        with theirs:
            # No child of multiprocessing: the demo's own processes may not have any.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _MAIN, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
            )
        # Through the pipe, since others see the arguments of a process.
        answer = self._ask(Task(self._url, self._fps, self._timeout_s), _START_S)
        if answer is None or answer.final:
            self._end()
            reason = answer.failure if answer is not None else "its process did not start"
            raise SinkError(f"{self._name}: cannot be pushed to ({reason})")

    def _ask(self, message: Task | Picture, timeout_s: float) -> Answer | None:
        """What the process answers; None when it does not, or is gone."""
        assert self._pipe is not None
        with contextlib.suppress(EOFError, OSError):
            self._pipe.send(message)
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
            process.wait()
