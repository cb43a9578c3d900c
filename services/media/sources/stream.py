# SPDX-License-Identifier: Apache-2.0
"""Network addresses through PyAV: live streams as they arrive, files to their end.

A thread reads packets into a buffer of at most three seconds; they are decoded when their time
has come. A source that sends faster than its pictures are due is made to wait, which costs
nothing where packets are fetched (HLS, files) and lets the kernel's buffers fill where they are
pushed; there, what does not fit is left out up to the next keyframe, and counted.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import av

from services.errors import EndOfSource, SourceError
from services.measure.source_health import SourceHealth
from services.media.boundary import reason
from services.media.files.timeline import JUMP_US, Timeline, rate_of
from services.media.files.video import (
    PictureDecoder,
    Stamped,
    choose_stream,
    packet_stamps,
    stamp_us,
    told_rates,
)
from services.media.sources.pacing import BurstPacer
from services.media.sources.source import CapturedFrame, Clock
from services.process import logs
from services.settings.addresses import SCHEMES, is_address, masked
from streamcodec.frame import Frame

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["SCHEMES", "StreamSource", "is_address"]

BUFFER_US = 3_000_000
_BUFFER_BYTES = 32 * 1024 * 1024
_OPEN_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 3.0
_SEGMENT_TIMEOUT_S = 15.0  # of a playlist that may wait for its next segment
_JOIN_S = 2.0
_FIRST_PICTURE_S = 10.0
_DEFAULT_FPS = Fraction(30)
_FEW_PACKETS = 8  # from which a frame rate can be told
_SEGMENTED = ("hls", "dash")
_FETCHED_SCHEMES = ("http", "https")  # a server that waits for us loses nothing
_ENDLESS = ("udp", "rtp", "srt", "tcp")
_STAMPLESS = ("mpjpeg",)  # pictures one after the other; FFmpeg makes times up
_OPTIONS = {
    "rtsp_transport": "tcp",
    "analyzeduration": "1000000",
    "reconnect": "1",  # of a file that breaks off: at the byte where it did
    "reconnect_delay_max": "2",
}
# Nothing ran dry for so long: then more waits than the arrivals need. Servers of HTTP send bursts.
_WATCH_US, _WATCH_HTTP_US = 2_000_000, 12_000_000
_NOTHING_DECODES = 250  # pictures in a row that cannot be decoded: then the stream is of no use


_log = logs.get("source")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A packet that waits for its time."""

    packet: Packet[VideoStream]
    stamp_us: int | None
    size: int


class StreamSource:
    """A stream from an address: live, or a file of a web server that ends.

    `live` is False for what has an end. Damaged pictures are left out and counted (`health`).
    """

    def __init__(self, address: str, *, clock: Clock, resume_us: int | None = None) -> None:
        """Connect and wait for the first picture. Raises SourceError when there is none.

        `resume_us`: a file that broke off is taken up after the picture with this stamp.
        """
        self.name = masked(address)
        self._clock = clock
        self._container = _connected(address, self.name)
        try:
            self._stream = choose_stream(self.name, self._container)
            self._decoder = PictureDecoder(self.name, self._container, self._stream)
        except SourceError:
            self._container.close()
            raise
        self._told = told_rates(self._stream)
        format_name = self._container.format.name
        scheme = address.partition("://")[0].lower()
        self._segmented = any(name in format_name for name in _SEGMENTED)
        self._ends = _has_an_end(self._container, scheme, segmented=self._segmented)
        self.live = not self._ends
        self._waits_for_us = self._ends or self._segmented or scheme in _FETCHED_SCHEMES
        self._resume_us = -(1 << 62)
        if resume_us is not None and self._ends:
            self._seek(resume_us)
        self.position_us: int | None = None  # stamp of the last picture that was decoded
        self._flushed = False
        self._by_arrival = format_name in _STAMPLESS
        self._condition = threading.Condition()
        self._packets: deque[_Waiting] = deque()
        self._bytes = 0
        self._end: tuple[type[Exception], str] | None = None
        self._closing = self._read_over = self._released = False
        self._starved = True
        self._dropped = 0
        self._decoded: deque[Stamped] = deque()
        self._next: tuple[Frame, int] | None = None  # and when it is due
        self._timeline = Timeline()
        waits = self._ends or self._segmented  # for us: there is nothing to catch up with
        self._pacer = BurstPacer(watch_us=None if waits else _watch_us(scheme))
        self._thread = threading.Thread(target=self._read, name=f"source {self.name}", daemon=True)
        self._thread.start()
        try:
            self._next = self._first()
        except (SourceError, EndOfSource) as error:
            self.close()
            why = str(error).removeprefix(f"{self.name}: ")
            raise SourceError(f"{self.name}: no picture came ({why})") from None
        frame, _ = self._next
        self.width, self.height = frame.width, frame.height
        self.fps = float(self._rate())

    @property
    def health(self) -> SourceHealth:
        """What was left out, and how much waits."""
        with self._condition:
            return SourceHealth(
                frames_damaged=self._decoder.damaged,
                frames_dropped=self._dropped,
                buffered_us=self._buffered_us(),
            )

    @property
    def ended(self) -> bool:
        """Whether the whole file came through."""
        return self._end is not None and self._end[0] is EndOfSource

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """See `Source.read`."""
        deadline_us = self._clock.now_us() + int(timeout_s * 1e6)
        if self._next is None:
            self._next = self._following(timeout_s)
            if self._next is None:
                return None
        now_us = self._clock.now_us()
        frame, due_us = self._next
        if due_us > max(now_us, deadline_us):
            self._clock.sleep_us(max(0, deadline_us - now_us))
            return None
        self._clock.sleep_us(max(0, due_us - now_us))
        self._next = None
        return CapturedFrame(frame, self._clock.now_us())

    def close(self) -> None:
        """Stop reading and disconnect; a read that blocks is left to end by itself."""
        with self._condition:
            self._closing = True
            self._packets.clear()
            self._condition.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_S)
        self._release()

    # -- the reader's side ---------------------------------------------------------------------

    def _seek(self, stamp_us: int) -> None:
        self._resume_us = stamp_us
        try:
            self._container.seek(stamp_us)
        except Exception as error:  # what cannot be sought is read from its beginning again
            _log.debug("no_seek", reason=reason(error))

    def _first(self) -> tuple[Frame, int]:
        until_us = self._clock.now_us() + int(_FIRST_PICTURE_S * 1e6)
        while self._clock.now_us() < until_us:
            found = self._following(0.2)
            if found is not None:
                return found
            with self._condition:
                # A test's clock may not advance while the thread works.
                if not self._packets and self._end is None:
                    self._condition.wait(0.2)
        raise SourceError(f"{self.name}: {self._decoder.failure or 'it sends nothing'}")

    def _following(self, timeout_s: float) -> tuple[Frame, int] | None:
        """The next frame and when it is due; None when none came in time."""
        while not self._decoded:
            try:
                taken = self._take(timeout_s)
            except EndOfSource:
                if self._flushed or self._closing:
                    raise
                self._flushed = True
                self._decode(None)
                if self._decoder.failed_in_a_row > 1:
                    why = self._decoder.failure
                    self._end = (SourceError, f"{self.name}: its end cannot be decoded ({why})")
                continue
            if taken is None:
                return None
            self._decode(taken.packet)
            if self._decoder.failed_in_a_row > _NOTHING_DECODES and not self._ends:
                why = self._decoder.failure
                raise SourceError(f"{self.name}: nothing of it can be decoded ({why})")
        stamped = self._decoded.popleft()
        self.position_us = stamped.stamp_us
        now_us = self._clock.now_us()
        if self._by_arrival:
            return stamped.frame, now_us
        time_us = self._timeline.place(stamped.stamp_us)
        with self._condition:
            waiting_us = self._buffered_us()
        starved, self._starved = self._starved, False
        due_us = self._pacer.due_us(time_us, now_us=now_us, waiting_us=waiting_us, starved=starved)
        return stamped.frame, due_us

    def _decode(self, packet: Packet[VideoStream] | None) -> None:
        for stamped in self._decoder.decode(packet):
            if stamped.stamp_us is None or stamped.stamp_us > self._resume_us:
                self._decoded.append(stamped)

    def _take(self, timeout_s: float) -> _Waiting | None:
        """The next packet; what ended the stream is raised once all packets are taken."""
        with self._condition:
            if not self._packets and self._end is None and not self._closing:
                self._starved = True
                self._condition.wait(timeout_s)
            if self._packets:
                taken = self._packets.popleft()
                self._bytes -= taken.size
                while self._by_arrival and self._packets:  # each a keyframe: the newest wins
                    taken = self._packets.popleft()
                    self._bytes -= taken.size
                self._condition.notify_all()
                return taken
            if self._closing:
                raise EndOfSource(self.name)
            if self._end is None:
                return None
            kind, text = self._end
        raise kind(text)

    def _rate(self) -> Fraction:
        with self._condition:
            stamps = packet_stamps(deque(w.packet for w in self._packets))
        told = self._told
        found = rate_of(stamps, told=told) if len(stamps) >= _FEW_PACKETS else None
        sane = (rate for rate in told if rate and 1 <= rate <= 240)
        return found or next(sane, _DEFAULT_FPS)

    def _buffered_us(self) -> int:
        stamps = [w.stamp_us for w in self._packets if w.stamp_us is not None]
        steps = (after - before for before, after in pairwise(stamps))
        return sum(step for step in steps if 0 < step <= JUMP_US)  # a jump takes no time

    def _release(self) -> None:
        """Disconnect once nobody reads and nobody decodes any more: both live in the container."""
        with self._condition:
            over = self._read_over and self._closing and not self._released
            self._released |= over
        if over:
            self._container.close()

    # -- the network's side --------------------------------------------------------------------

    def _read(self) -> None:
        try:
            for packet in self._container.demux(self._stream):
                if self._closing:
                    return
                if packet.size:
                    self._put(packet)
            if self._ends:
                self._over(EndOfSource, self.name)
            else:
                self._over(SourceError, f"{self.name}: the stream ended")
        except Exception as error:  # the reader must hear of it, whatever it is
            self._over(SourceError, f"{self.name}: the stream broke off ({reason(error)})")
        finally:
            with self._condition:
                self._read_over = True
            self._release()

    def _put(self, packet: Packet[VideoStream]) -> None:
        stamp = stamp_us(packet.dts, packet.pts, packet.time_base)
        waiting = _Waiting(packet, stamp, packet.size)
        with self._condition:
            while self._is_full() and self._waits_for_us and not self._closing:
                self._condition.wait(0.5)
            if self._is_full():
                self._leave_out()
            self._packets.append(waiting)
            self._bytes += waiting.size
            self._condition.notify_all()

    def _is_full(self) -> bool:
        return self._buffered_us() > BUFFER_US or self._bytes > _BUFFER_BYTES

    def _leave_out(self) -> None:
        """Too much waits: go on at the last keyframe that is there, or at the next one."""
        keyframes = [n for n, w in enumerate(self._packets) if w.packet.is_keyframe]
        upto = keyframes[-1] if keyframes and keyframes[-1] else len(self._packets)
        for _ in range(upto):
            self._bytes -= self._packets.popleft().size
        self._dropped += upto

    def _over(self, kind: type[Exception], text: str) -> None:
        with self._condition:
            self._end = self._end or (kind, text)
            self._condition.notify_all()


def _watch_us(scheme: str) -> int:
    return _WATCH_HTTP_US if scheme in _FETCHED_SCHEMES else _WATCH_US


def _connected(address: str, name: str) -> InputContainer:
    segmented = ".m3u8" in address or ".mpd" in address
    timeout_s = _SEGMENT_TIMEOUT_S if segmented else _READ_TIMEOUT_S
    try:
        return av.open(
            address, "r", options=_options(address), timeout=(_OPEN_TIMEOUT_S, timeout_s)
        )
    except Exception as error:  # whatever FFmpeg makes of a server's answer
        raise SourceError(f"{name}: cannot be opened ({reason(error)})") from None


def _options(address: str) -> dict[str, str]:
    """FFmpeg refuses nothing that it does not know, but only HTTP reconnects."""
    options = dict(_OPTIONS)
    if not address.lower().startswith("http"):
        del options["reconnect"], options["reconnect_delay_max"]
    return options


def _has_an_end(container: InputContainer, scheme: str, *, segmented: bool) -> bool:
    """Whether the end of the data is the end of the material, and not a loss.

    A length that the server told, or a duration in a playlist or a file.
    """
    if scheme in _ENDLESS or container.format.name in _STAMPLESS:
        return False
    if segmented:  # the length would be the playlist's
        return bool(container.duration)
    return (scheme in _FETCHED_SCHEMES and container.size > 0) or bool(container.duration)
