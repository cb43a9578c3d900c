# SPDX-License-Identifier: Apache-2.0
"""A recording in several files, by size or time, that leaves the disk some room."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.errors import SinkError
from services.media.sinks.sink import Sink, StreamFacts, tell_stream
from streamcodec.bitstream import read_header
from streamcodec.errors import BitstreamError
from streamcodec.frame import Frame

_CHECK_US = 1_000_000
_ASK_US = 2_000_000


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a new file begins, and how much of the disk stays free. None: never."""

    every_us: int | None = None
    every_bytes: int | None = None
    keep_free_bytes: int = 0


class RotatingSink:
    """Names files after their beginning: `door.scv` becomes `door-20260131-235959.scv`, and so on.

    A file of packets must begin with a keyframe: when one is due, `want_keyframe` is called, and
    the old file goes on until it comes, so that not a frame is lost between the two.
    """

    every_frame = True

    def __init__(
        self,
        path: Path,
        rotation: Rotation,
        open_one: Callable[[Path], Sink],
        *,
        stamp: Callable[[], str] = lambda: time.strftime("%Y%m%d-%H%M%S"),
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        """Raises SinkError when the first file cannot be opened."""
        self.want_keyframe: Callable[[], None] = lambda: None
        self._path = path
        self._rotation = rotation
        self._open_one = open_one
        self._stamp = stamp
        self._free_bytes = free_bytes
        self._began_us: int | None = None
        self._bytes = 0
        self._checked_us: int | None = None
        self._asked_us: int | None = None
        self._frames = 0
        self._stream: StreamFacts | None = None
        self._sink = self._opened()

    def set_stream(self, stream: StreamFacts) -> None:
        """What comes, for this file and those after it."""
        self._stream = stream
        tell_stream(self._sink, stream)

    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        """Write to the file of the time. Raises SinkError when the disk has no room to spare."""
        self._check_room(shown_us)
        if self._began_us is None:
            self._began_us = shown_us
        if self._due(shown_us):
            if packet is None or self._path.suffix != ".scv" or _is_keyframe(packet):
                self._sink.close()
                self._sink = self._opened()
                self._began_us, self._bytes, self._asked_us = shown_us, 0, None
            elif self._asked_us is None or shown_us - self._asked_us >= _ASK_US:
                self._asked_us = shown_us
                self.want_keyframe()
        self._sink.write(frame, shown_us=shown_us, packet=packet)
        self._frames += 1
        self._bytes += len(packet or b"")

    def close(self) -> None:
        """Close the last file."""
        self._sink.close()

    def _due(self, now_us: int) -> bool:
        every_us, every_bytes = self._rotation.every_us, self._rotation.every_bytes
        assert self._began_us is not None
        return (every_us is not None and now_us - self._began_us >= every_us) or (
            every_bytes is not None and self._bytes >= every_bytes
        )

    def _check_room(self, now_us: int) -> None:
        if self._checked_us is not None and now_us - self._checked_us < _CHECK_US:
            return
        self._checked_us = now_us
        keep = self._rotation.keep_free_bytes
        if keep and self._free_bytes(self._path.parent) < keep:
            self._sink.close()
            raise SinkError(
                f"{self._path}: less than {keep / 1e6:.0f} MB of the disk are free, so the "
                f"recording ends; the {self._frames} frames before are saved"
            )

    def _opened(self) -> Sink:
        path = self._path.with_name(f"{self._path.stem}-{self._stamp()}{self._path.suffix}")
        number = 1
        while path.exists():  # twice within a second
            number += 1
            name = f"{self._path.stem}-{self._stamp()}-{number}{self._path.suffix}"
            path = self._path.with_name(name)
        sink = self._open_one(path)
        if self._stream is not None:
            tell_stream(sink, self._stream)
        return sink


def _is_keyframe(packet: bytes) -> bool:
    try:
        return read_header(packet).keyframe
    except BitstreamError:
        return False
