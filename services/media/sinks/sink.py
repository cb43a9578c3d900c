# SPDX-License-Identifier: Apache-2.0
"""The interface of sinks, and the error of a file that cannot be written."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.errors import SinkError
from services.media.boundary import writing
from streamcodec.frame import Frame


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """The stream, for a sink, before the first frame."""

    fps: float
    model_size: str  # S or M


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


class GuardedSink:
    """A sink whose library errors come out as SinkError, so that no output ends its receiver."""

    def __init__(self, name: str, sink: Sink) -> None:
        self.every_frame = sink.every_frame
        self._name = name
        self._sink = sink

    def set_stream(self, stream: StreamFacts) -> None:
        """The stream, where the sink takes it."""
        tell_stream(self._sink, stream)

    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        """See `Sink.write`."""
        with writing(self._name):
            self._sink.write(frame, shown_us=shown_us, packet=packet)

    def close(self) -> None:
        """See `Sink.close`."""
        with writing(self._name):
            self._sink.close()


class NullSink:
    """Takes everything, keeps nothing."""

    every_frame = False

    def write(self, frame: Frame, *, shown_us: int = 0, packet: bytes | None = None) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def tell_stream(sink: Sink, stream: StreamFacts) -> None:
    """Tell a sink that takes it which stream begins."""
    told = getattr(sink, "set_stream", None)
    if told is not None:
        told(stream)


def write_failed(name: str | Path, error: OSError, *, frames: int) -> SinkError:
    """The sentence for a file that takes no more."""
    saved = f"the {frames} frames before are saved" if frames else "nothing was written"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SinkError(f"{name}: the disk is full; {saved}")
    if error.errno == errno.ENOENT:
        saved = f"is there a folder {Path(name).parent}?"
    return SinkError(f"{name}: cannot be written ({error.strerror or error}); {saved}")
