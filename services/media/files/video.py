# SPDX-License-Identifier: Apache-2.0
"""Videos through FFmpeg: which stream, which pictures, at what times, and what is damaged.

A picture that cannot be decoded is left out and counted; the file goes on. What ends a file early
is told once the pictures before it are through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.codeccontext import VideoCodecContext

from services.errors import SourceError
from services.media.avframes import hdr_of, orientation_of, to_frame
from services.media.boundary import reading, reason
from services.media.files.timeline import DEFAULT_STEP_US, Timeline, rate_of, usual_step_us
from services.media.geometry import UPRIGHT
from services.process import logs
from streamcodec.frame import Frame

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

_MICROSECONDS = 1_000_000
_AHEAD_PACKETS = 64  # read ahead, to know the frame rate and the end
_AHEAD_BYTES = 16 * 1024 * 1024
_MAX_DEMUX_FAILURES = 16  # in a row
_NO_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent
# FFmpeg draws text files as pictures of a terminal.
_TEXT_CODECS = ("ansi", "bintext", "xbin", "idf", "binarytext")
_Y4M = "yuv4mpegpipe"
_RAW_FORMATS = (_Y4M, "rawvideo")
# A JPEG that breaks off is half a picture and no error otherwise.
_STRICT_CODECS = ("mjpeg",)
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_SANE_RATES = (Fraction(1, 1000), Fraction(240))

_log = logs.get("source")


@dataclass(frozen=True, slots=True)
class Stamped:
    """A decoded frame with the stream's own stamp, None where it has none."""

    frame: Frame
    stamp_us: int | None


class PictureDecoder:
    """Packets of one stream to frames. `damaged` counts what was left out."""

    def __init__(self, name: str, container: InputContainer, stream: VideoStream) -> None:
        self.damaged = 0
        self.failed_in_a_row = 0
        self.failure = ""
        self._name = name
        self._stream = stream
        self._as_stored = container.format.name in _RAW_FORMATS
        self._told_hdr = self._told_fields = False
        self._owed = 0  # pictures for packets that told no error
        self._rotation: int | None = None  # of the last picture, in degrees
        self._orientation = UPRIGHT
        self._context = _with_alpha(stream) or stream.codec_context
        if stream.codec_context.name in _STRICT_CODECS:
            stream.codec_context.options = {"err_detect": "explode"}

    def decode(self, packet: Packet[VideoStream] | None) -> list[Stamped]:
        """What comes out after this packet; None gives what is still inside.

        Raises SourceError for pictures that no codec of ours takes.
        """
        try:
            pictures = self._context.decode(packet)
        except (av.FFmpegError, OSError, ValueError, RuntimeError, MemoryError) as error:
            self._left_out(reason(error))
            return []
        found = []
        self._owed += (packet is not None) - len(pictures)
        if packet is None and self._stream.codec_context.name in _STRICT_CODECS:
            self.damaged += max(0, self._owed)  # passed over without a word
        for picture in pictures:
            if picture.is_corrupt:
                self._left_out("the picture is damaged")
                continue
            self.failed_in_a_row = 0
            found.append(self._stamped(picture))
        return found

    def _stamped(self, picture: av.VideoFrame) -> Stamped:
        if not self._told_hdr and (curve := hdr_of(picture)):
            self._told_hdr = True
            text = f"{self._name}: high dynamic range ({curve}) is shown without tone mapping"
            _log.warning("source", text=text)
        if picture.interlaced_frame and not self._told_fields:
            self._told_fields = True
            text = f"{self._name}: interlaced; both fields of a picture are shown at once"
            _log.warning("source", text=text)
        with reading(self._name):
            if picture.rotation != self._rotation:
                self._rotation, self._orientation = picture.rotation, orientation_of(picture)
            frame = to_frame(
                picture,
                aspect=self._stream.sample_aspect_ratio,
                orientation=self._orientation,
                as_stored=self._as_stored,
            )
        return Stamped(frame, stamp_us(picture.pts, picture.dts, picture.time_base))

    def _left_out(self, why: str) -> None:
        self.damaged += 1
        self.failed_in_a_row += 1
        self.failure = why


def _with_alpha(stream: VideoStream) -> VideoCodecContext | None:
    """A decoder that also gives the alpha of a WebM; FFmpeg's own ones pass over it."""
    own = _ALPHA_DECODERS.get(stream.codec_context.name)
    if own not in av.codecs_available or stream.metadata.get("alpha_mode") != "1":
        return None
    context = av.CodecContext.create(own, "r")
    assert isinstance(context, VideoCodecContext)
    return context


def stamp_us(pts: int | None, dts: int | None, time_base: Fraction | None) -> int | None:
    """A time stamp in microseconds."""
    ticks = dts if pts is None else pts
    return None if ticks is None or not time_base else round(ticks * time_base * _MICROSECONDS)


class VideoFile:
    """A video that can be read to its end; `frames` once.

    Frames come with times on one clock (`Timeline`). `left` gives how many are still to come once
    that can be seen, which is a second or two before the end. After the last frame `frames`
    raises SourceError where the file did not end there by itself.
    """

    def __init__(self, name: str, container: InputContainer) -> None:
        """Raises SourceError where there is no video inside."""
        self._name = name
        self._container = container
        try:
            self._stream = choose_stream(name, container)
            self._decoder = PictureDecoder(name, container, self._stream)
            self._ahead: deque[Packet[VideoStream]] = deque()
            self._ahead_bytes = 0
            self._inside = 0  # packets in the decoder, for each of which a frame will come
            self._ended = False
            self._broken = ""
            self._truncated = False
            self._packets = self._demuxed()
            self._fill()
            stamps = packet_stamps(self._ahead)
            told = told_rates(self._stream)
            rate = rate_of(stamps, told=told)
            step_us = usual_step_us(stamps) or _duration_us(self._ahead)
            if rate is None:
                rate = next(
                    (r for r in told if r and _SANE_RATES[0] <= r <= _SANE_RATES[1]),
                    Fraction(_MICROSECONDS, step_us or DEFAULT_STEP_US),
                )
            self.rate = rate
            self._timeline = Timeline(step_us=step_us or round(_MICROSECONDS / rate))
        except BaseException:
            container.close()
            raise

    @property
    def told_count(self) -> int | None:
        """Frames as the file declares them; only good for a progress bar."""
        return len(self._ahead) if self._ended else self._stream.frames or None

    @property
    def frames_damaged(self) -> int:
        """Pictures left out so far."""
        return self._decoder.damaged

    def left(self) -> int | None:
        """Frames still to come, once the end of the file is in sight."""
        return len(self._ahead) + self._inside if self._ended else None

    def frames(self) -> Iterator[tuple[Frame, int]]:
        """Frames and their times in microseconds, from 0. Raises SourceError."""
        count = 0
        with self._container:
            while True:
                self._fill()
                packet = self._ahead.popleft() if self._ahead else None
                if packet is not None:
                    self._ahead_bytes -= packet.size
                    self._inside += 1
                for stamped in self._decoder.decode(packet):
                    count += 1
                    self._inside = max(0, self._inside - 1)
                    yield stamped.frame, self._timeline.place(stamped.stamp_us)
                if packet is None:
                    break
        self._tell_the_end(count)

    def _tell_the_end(self, count: int) -> None:
        why = self._broken
        if not why and self._decoder.failed_in_a_row > (0 if self._truncated else 1):
            why = self._decoder.failure
        if not why and self._truncated:
            why = "the file breaks off"
        if count and why:
            raise SourceError(f"{self._name}: unreadable after frame {count} ({why})")
        if not count:
            more = f" ({why or self._decoder.failure})" if why or self._decoder.failure else ""
            raise SourceError(f"{self._name}: there is no picture in this video{more}")

    def _fill(self) -> None:
        while (
            not self._ended
            and len(self._ahead) < _AHEAD_PACKETS
            and self._ahead_bytes < _AHEAD_BYTES
        ):
            packet = next(self._packets, None)
            if packet is None:
                self._ended = True
                break
            self._truncated = packet.is_corrupt  # of the last one
            self._ahead.append(packet)
            self._ahead_bytes += packet.size

    def _demuxed(self) -> Iterator[Packet[VideoStream]]:
        """Packets to the end of the file; what FFmpeg stumbles over is passed by."""
        failures = 0
        packets = self._container.demux(self._stream)
        end = 0
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError, ValueError) as error:
                failures += 1
                self._broken = reason(error)
                if failures == _MAX_DEMUX_FAILURES or isinstance(error, av.ExitError):
                    return
                packets = self._container.demux(self._stream)
                continue
            if packet is None:
                if rest_of_raw(self._container, end, self._container.size):
                    self._broken = "the file breaks off"
                return
            if packet.size:  # the empty one marks the end
                failures, self._broken = 0, ""
                end = (packet.pos or 0) + packet.size
                yield packet


def rest_of_raw(container: InputContainer, end: int, size: int) -> bool:
    """Whether bytes follow the last whole picture of a .y4m, which FFmpeg passes over."""
    return container.format.name == _Y4M and 0 < end < size


def open_video(path: Path) -> VideoFile:
    """A video file. Raises SourceError."""
    return VideoFile(str(path), open_container(path))


def open_container(path: Path) -> InputContainer:
    """FFmpeg's view of a file: of that file and nothing else, whatever its name looks like."""
    try:
        with path.open("rb"):
            pass
        # Without a protocol colons would make one, and with `%` image2 would look for a series.
        return av.open(file_url(path), options={"pattern_type": "none"})
    except OSError as error:
        if isinstance(error, av.FFmpegError):
            raise _no_video(path, error) from None
        raise SourceError(f"{path}: cannot be read ({reason(error)})") from None
    except Exception as error:
        raise _no_video(path, error) from error


def file_url(path: Path) -> str:
    """The name by which FFmpeg takes a path for a file."""
    return f"file:{path.absolute()}"


def _no_video(path: Path, error: Exception) -> SourceError:
    return SourceError(f"{path}: not a video that can be read ({reason(error)})")


def choose_stream(name: str, container: InputContainer) -> VideoStream:
    """The default video stream, else the first; never a cover or a text drawn as a picture.

    Nothing else is read from the container from now on. Raises SourceError.
    """
    moving = [s for s in container.streams.video if not s.disposition & _NO_PICTURES]
    # A stream has no context where this FFmpeg has no decoder for it.
    known = [s for s in moving if s.codec_context is not None]
    readable = [s for s in known if s.codec_context.name not in _TEXT_CODECS]
    if readable:
        marked = [s for s in readable if s.disposition & Disposition.default] or readable
        # An animated AVIF holds its first picture a second time, as a stream of its own.
        chosen = next((s for s in marked if s.frames != 1), marked[0])
        for other in container.streams:
            if other is not chosen:  # or all variants of a playlist would be fetched
                other.discard = Discard.all
        return chosen
    if known:
        raise SourceError(f"{name}: not a video that can be read (it is a text file)")
    if moving:
        raise SourceError(f"{name}: this FFmpeg has no decoder for it")
    if container.streams.video:
        raise SourceError(f"{name}: there is no video in this file, only a cover picture")
    raise SourceError(f"{name}: there is no video in this file")


def packet_stamps(packets: deque[Packet[VideoStream]]) -> list[int]:
    """Presentation stamps in microseconds of those packets that have one."""
    found = (stamp_us(p.pts, p.dts, p.time_base) for p in packets)
    return [stamp for stamp in found if stamp is not None]


def told_rates(stream: VideoStream) -> tuple[Fraction | None, ...]:
    """Rates that the file declares or FFmpeg guesses: names for a rate that stamps show."""
    told = (stream.guessed_rate, stream.average_rate, stream.base_rate)
    # Fields instead of pictures: a guess may be twice the rate.
    return (*told, stream.guessed_rate and stream.guessed_rate / 2)


def _duration_us(packets: deque[Packet[VideoStream]]) -> int | None:
    for packet in packets:
        if packet.duration and packet.time_base:
            return round(packet.duration * packet.time_base * _MICROSECONDS) or None
    return None
