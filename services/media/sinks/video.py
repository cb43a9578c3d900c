# SPDX-License-Identifier: Apache-2.0
"""Video files that any player opens: H.264 in MP4, written in fragments."""

from __future__ import annotations

import contextlib
import errno
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from services.errors import SinkError
from services.media.avframes import from_frame
from services.media.scaling import fitted
from services.media.sinks.sink import StreamFacts, write_failed
from streamcodec.frame import Frame

_TIME_BASE = Fraction(1, 90_000)
# A fragment a second, each complete in itself: what a killed process wrote still plays.
_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
_QUALITY = {"preset": "veryfast", "crf": "16", "x264-params": "scenecut=0:bframes=0"}


class VideoSink:
    """Encodes frames as they come; their times are kept, so pauses stay pauses."""

    every_frame = True

    def __init__(self, path: Path, *, fps: float | Fraction) -> None:
        """Raises SinkError when the file cannot be written."""
        self._path = path
        self._fps = fps
        self._frames = 0
        self._start_us = 0
        self._last_pts = -1
        self._size = (0, 0)
        self._stream: VideoStream | None = None
        self._container: OutputContainer | None = None
        try:
            path.open("wb").close()  # FFmpeg would tell only with the first frame
            # With its protocol, or a colon in the name would be taken for one.
            name = f"file:{path.absolute()}"
            self._container = av.open(name, "w", format="mp4", options=dict(_FRAGMENTS))
        except OSError as error:
            raise write_failed(path, error, frames=0) from None

    def set_stream(self, stream: StreamFacts) -> None:
        """The frame rate of what comes; frames keep their own times."""
        self._fps = stream.fps

    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        """Encode the frame; the first one decides the size of the video."""
        if self._container is None:
            raise SinkError(f"{self._path}: already closed")
        try:
            stream = self._stream or self._started(self._container, frame, shown_us)
            picture = from_frame(_even(fitted(frame, *self._size)))
            ticks = round((shown_us - self._start_us) * _TIME_BASE.denominator / 1_000_000)
            self._last_pts = max(self._last_pts + 1, ticks)
            picture.pts, picture.time_base = self._last_pts, _TIME_BASE
            self._container.mux(stream.encode(picture))
        except OSError as error:
            raise self._failed(self._container, error) from None
        self._frames += 1

    def close(self) -> None:
        """Flush the encoder and close. Raises SinkError when the disk has no room for the end:
        that costs the last fragments, and those before are whole."""
        container = self._container
        if container is None:
            return
        try:
            if self._stream is not None:
                container.mux(self._stream.encode(None))
            container.close()
        except OSError as error:
            raise self._failed(container, error) from None
        self._container = None
        saved = _cut_to_whole_boxes(self._path)
        if saved < self._frames:  # FFmpeg closes without a word where its last bytes had no room
            full = OSError(errno.ENOSPC, "")
            raise write_failed(self._path, full, frames=saved)

    def _failed(self, container: OutputContainer, error: OSError) -> SinkError:
        """Close, keep what is whole, and tell how much that is."""
        self._container = None
        with contextlib.suppress(OSError, av.FFmpegError):  # the reason is known already
            if self._stream is not None:
                container.mux(self._stream.encode(None))
        with contextlib.suppress(OSError, av.FFmpegError):
            container.close()
        return write_failed(self._path, error, frames=_cut_to_whole_boxes(self._path))

    def _started(self, container: OutputContainer, frame: Frame, shown_us: int) -> VideoStream:
        rate = max(Fraction(self._fps), Fraction(1, 1000)).limit_denominator(1001)
        stream: Any = container.add_stream("libx264", rate=rate, options=dict(_QUALITY))
        self._size = (frame.width, frame.height)
        stream.width, stream.height = (side + side % 2 for side in self._size)
        stream.pix_fmt = "yuv420p"
        stream.gop_size = max(1, round(float(self._fps)))
        stream.codec_context.time_base = _TIME_BASE
        stream.codec_context.thread_count = 1
        stream.codec_context.colorspace = 1  # BT.709
        stream.codec_context.color_range = 1  # limited
        container.start_encoding()  # muxing on after a beginning that failed ends the process
        self._start_us = shown_us
        self._stream = stream
        return self._stream


def _even(frame: Frame) -> Frame:
    """H.264 wants even sides: repeat the last row or column."""
    pad = ((0, frame.height % 2), (0, frame.width % 2))
    if pad == ((0, 0), (0, 0)):
        return frame
    return Frame(np.pad(frame.y, pad, mode="edge"), frame.u, frame.v)


def _cut_to_whole_boxes(path: Path) -> int:
    """Take a half-written fragment off the end, so that every player reads what is before it.

    Returns how many frames are left.
    """
    whole = frames = 0
    with contextlib.suppress(OSError), path.open("r+b") as file:
        size = file.seek(0, 2)
        end = fragment = 0
        while end + 8 <= size:
            file.seek(end)
            box_bytes, kind = struct.unpack(">I4s", file.read(8))
            if box_bytes < 8 or end + box_bytes > size:
                break
            end += box_bytes
            if kind == b"moof":  # its samples follow in the next box
                fragment = _samples(file.read(box_bytes - 8))
                continue
            whole, frames, fragment = end, frames + fragment, 0
        file.truncate(whole)
    return frames


def _samples(boxes: bytes) -> int:
    """Frames that a fragment's boxes announce (ISO/IEC 14496-12: moof, traf, trun)."""
    count = at = 0
    while at + 8 <= len(boxes):
        box_bytes, kind = struct.unpack_from(">I4s", boxes, at)
        if box_bytes < 8:
            break
        if kind == b"traf":
            count += _samples(boxes[at + 8 : at + box_bytes])
        elif kind == b"trun":
            count += int(struct.unpack_from(">I", boxes, at + 12)[0])
        at += box_bytes
    return count
