# SPDX-License-Identifier: Apache-2.0
"""The sender: capture thread -> newest frame -> encode thread -> transport thread. Wiring only.

The decisions are in `sender.core`. The transport thread owns the socket; the core is behind one
lock, held for microseconds and never while encoding.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from services.errors import EndOfSource, SourceError
from services.measure.events import StreamEvent
from services.measure.source_health import health_of
from services.measure.stats import SenderSnapshot
from services.media.scaling import fitted
from services.process.clock import boot_id, now_us
from services.process.observers import Observers
from services.process.threads import Crew, Mailbox
from services.protocol import messages as m
from services.protocol.broadcast import Answers
from services.protocol.flood import FLOODS
from services.protocol.offer import Offer, frame_interval_us
from services.protocol.packing import pack
from services.protocol.planner import Rules
from services.rate.budget import Congestion
from services.sender.coder import Coded
from services.sender.core import Outgoing, SenderCore, SenderSetup, Span
from services.wire.endpoint import Endpoint, watched_gate
from services.wire.transport import ConnectionEvent, Port, SendResult
from streamcodec.metrics import psnr611

if TYPE_CHECKING:
    from services.media.sources.source import CapturedFrame, Source
    from streamcodec.codec import Codec
    from streamcodec.frame import Frame

_POLL_MS = 50
_PSNR_INTERVAL_US = 500_000
_DRAIN_S = 1.0  # at the end of a source: for frames under way to reach the screen


@runtime_checkable
class Retrying(Protocol):
    """A source that opens itself again: why it is gone, if it is, and how often it tried."""

    @property
    def lost(self) -> str: ...
    @property
    def attempts(self) -> int: ...


@dataclass(frozen=True, slots=True)
class SenderConfig:
    """What a sender needs to know beside its codec and source.

    `rules` are for the sizes of frames. `frame_interval_us` 0 takes the source's rate. With
    `adapts` a link that is too thin for the picture gets a smaller one (`services.rate`). With
    `waits_for_viewer` a source that is not live, as a file, begins with its first viewer.
    """

    endpoint: Endpoint
    stream: str = "main"
    rules: Rules = field(default_factory=Rules)
    frame_interval_us: int = 0
    waits_for_viewer: bool = False
    adapts: bool = True


@dataclass(frozen=True, slots=True)
class SentFrame:
    """What frame observers of a sender get: the source picture beside what receivers will see,
    which is smaller where the link asked for that."""

    sequence: int
    captured_us: int
    source: Frame
    reconstruction: Frame
    packet: bytes
    keyframe: bool
    quality: int


class Sender:
    """Streams a source to any number of receivers until stopped or the source ends.

    The codec and the source are handed in; `stop` closes the source. Errors: ConfigError when the
    address cannot be used, at `start`; what broke a thread is raised by `run`.
    """

    def __init__(
        self,
        config: SenderConfig,
        *,
        codec: Codec,
        source: Source,
        congestion: Callable[[], Congestion] | None = None,
        clock_us: Callable[[], int] = now_us,
    ) -> None:
        self._config = config
        self._codec = codec
        self._source = source
        self._now_us = clock_us
        fps = source.fps if source.fps > 0 else 30.0
        self._interval_us = config.frame_interval_us or frame_interval_us(fps)
        started_us = clock_us()
        self._lock = threading.Lock()
        self._port = Port(config.endpoint)
        self._core = SenderCore(
            SenderSetup(
                Offer(
                    epoch=secrets.randbits(32),
                    stream=config.stream,
                    model_hash=codec.model_hash,
                    self_test=codec.self_test(),
                    size=codec.size,
                    boot_id=boot_id(),
                    frame_interval_us=self._interval_us,
                ),
                (source.width, source.height),
                config.rules,
                adapts=config.adapts,
                connects=not config.endpoint.bind,
                name_of=self._port.name_of,
            ),
            codec=codec,
            now_us=started_us,
            congestion=congestion,
        )
        self._broadcast = self._core.broadcast
        self._counters = self._core.counters
        self._crew = Crew()
        self._mailbox: Mailbox[CapturedFrame] = Mailbox()
        self._outbox: deque[Outgoing] = deque()
        self._observers: Observers[SentFrame] = Observers()
        self._ended = threading.Event()
        self._failure: SourceError | None = None  # that ended a file
        self._sampled_us = started_us - _PSNR_INTERVAL_US

    @property
    def url(self) -> str:
        """The address in use; after binding to port 0, with the real port."""
        return self._port.url

    @property
    def ended(self) -> bool:
        """True once the source has ended and its frames are away."""
        return self._ended.is_set()

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the socket and start the threads; returns at once."""
        self._codec.warm_up(self._source.width, self._source.height)
        self._port.open()
        self._crew.start("capture", self._capture)
        self._crew.start("encode", self._encode)
        self._crew.start("transport", self._transport)

    def stop(self) -> None:
        """End the stream: say BYE, stop the threads, close socket and source."""
        self._crew.stopping.set()
        self._mailbox.close()
        self._port.wake()
        self._crew.join()
        self._port.close()
        self._source.close()

    def run(self, until: float | None = None) -> None:
        """Start, stream for `until` seconds or until the source ends, and stop."""
        try:
            self.start()
            self.wait(until)
        finally:
            self.stop()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the source has ended, a thread broke, or the time is over."""
        self._crew.wait(seconds, over=self._ended.is_set)
        if self._failure is not None and self._ended.is_set():
            raise self._failure

    # -- control -------------------------------------------------------------------------------

    def request_keyframe(self) -> None:
        """Make the next frame a keyframe for every receiver."""
        with self._lock:
            self._broadcast.planner.request_keyframe()

    def on_frame(self, callback: Callable[[SentFrame], None]) -> Callable[[], None]:
        """Call back with every encoded frame, in the encode thread: be quick. Returns the undo."""
        return self._observers.add(callback)

    def snapshot(self) -> SenderSnapshot:
        """All statistics as of now, immutable."""
        with self._lock:
            return self._counters.snapshot(
                self._broadcast,
                endpoint=self._port.url,
                width=self._source.width,
                height=self._source.height,
                now_us=self._now_us(),
                gate=watched_gate(self._config.endpoint),
                source=health_of(self._source),
            )

    def events(self) -> tuple[StreamEvent, ...]:
        """The last events, oldest first."""
        return self.snapshot().events

    # -- capture thread ------------------------------------------------------------------------

    def _capture(self) -> None:
        if self._config.waits_for_viewer and not self._source.live:
            while not self._watched() and not self._crew.stopping.is_set():
                self._crew.stopping.wait(0.01)
        while not self._crew.stopping.is_set():
            try:
                captured = self._source.read(0.2)
            except SourceError as error:
                self._source_failed(error)
                if not self._source.live:  # a file: what came before it is shown, then it is told
                    self._failure = error
                    self._finish()
                    return
                continue
            except EndOfSource:
                self._finish()
                return
            if captured is None:
                self._look_at_source()
                continue
            replaced = self._mailbox.put(captured)
            with self._lock:
                self._core.captured(self._now_us())
                if replaced is not None:
                    self._core.replaced(self._now_us())

    def _watched(self) -> bool:
        with self._lock:
            return self._broadcast.watching > 0

    def _source_failed(self, error: SourceError) -> None:
        with self._lock:
            self._counters.source_failed(str(error), self._now_us())
        if self._source.live:
            self._crew.stopping.wait(0.5)

    def _look_at_source(self) -> None:
        """The state of a source that opens itself again (`RetryingSource`)."""
        source = self._source
        if not isinstance(source, Retrying):
            return
        with self._lock:
            if source.lost:
                self._counters.source_failed(source.lost, self._now_us())
            self._counters.source_attempted(source.attempts)

    def _finish(self) -> None:
        """The source ended: let frames under way reach the screens, then end the stream."""
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline and not self._crew.stopping.is_set():
            with self._lock:
                if not self._outbox and not self._broadcast.frames_in_flight:
                    break
            self._crew.stopping.wait(0.02)
        self._ended.set()

    # -- encode thread -------------------------------------------------------------------------

    def _encode(self) -> None:
        while not self._crew.stopping.is_set():
            captured = self._mailbox.take(0.2)
            if captured is not None:
                self._encode_one(captured)

    def _encode_one(self, captured: CapturedFrame) -> None:
        whole = captured.frame
        with self._lock:
            encode = self._core.plan(width=whole.width, height=whole.height, now_us=self._now_us())
        if encode is None:
            return
        frame = fitted(whole, encode.width, encode.height)
        for plan in encode.plans:
            start_us = self._now_us()
            coded = self._core.encode(frame, plan)
            span = Span(captured.captured_us, start_us, self._now_us())
            with self._lock:
                out = self._core.coded(encode, plan, coded, span=span)
                if out is not None:
                    self._outbox.append(out)
            if coded is not None:
                self._port.wake()
                self._observe(captured, encode.sequence, coded)

    def _observe(self, captured: CapturedFrame, sequence: int, coded: Coded) -> None:
        now = self._now_us()
        if now - self._sampled_us >= _PSNR_INTERVAL_US:
            self._sampled_us = now
            whole = captured.frame
            shown = fitted(coded.reference.frame, whole.width, whole.height)
            self._counters.psnr_db = psnr611(whole, shown)
        self._observers.tell(
            SentFrame(
                sequence,
                captured.captured_us,
                captured.frame,
                coded.reference.frame,
                coded.packet,
                coded.keyframe,
                coded.quality,
            )
        )

    # -- transport thread ----------------------------------------------------------------------

    def _transport(self) -> None:
        said_end = False
        while not self._crew.stopping.is_set():
            received = self._port.poll(_POLL_MS)
            now = self._now_us()
            with self._lock:
                answers = self._core.messages(received.messages, now)
                self._counters.malformed += received.malformed
                refused = received.events.count(ConnectionEvent.REFUSED) + len(received.cuts)
                self._counters.refused_some(refused, now)
                self._broadcast.cut(received.cuts, now)
                if (
                    ConnectionEvent.DISCONNECTED in received.events
                    and not self._config.endpoint.bind
                ):
                    self._broadcast.disconnected(now)
            self._say(answers)
            if answers.reconnect:
                self._port.rebuild()
            self._send_frames()
            if self._ended.is_set() and not said_end:
                said_end = True
                self._farewell(m.ByeCode.END_OF_STREAM, "the source has ended")
        if not said_end:
            self._farewell(m.ByeCode.LEAVING, "the sender stops")

    def _farewell(self, code: m.ByeCode, reason: str) -> None:
        with self._lock:
            answers = self._broadcast.farewell(code, reason)
        self._say(answers)

    def _say(self, answers: Answers) -> None:
        for peer, why in answers.cuts:
            self._port.cut(peer, why, bar=why == FLOODS)
        for peer, data in answers.messages:
            self._send(peer, data)

    def _send_frames(self) -> None:
        while self._outbox:
            out = self._outbox.popleft()
            for peer in out.peers:
                head, rest = self._core.train(out, now_us=self._now_us())
                sent = self._send(peer, pack(head))
                if sent is SendResult.SENT and rest is not None:
                    sent = self._send(peer, pack(rest))
                with self._lock:
                    if sent is SendResult.SENT:
                        self._core.handed_over(peer, head, self._now_us())
                    else:
                        gone = sent is not SendResult.FULL
                        self._core.not_taken(peer, head, self._now_us(), gone=gone)

    def _send(self, peer: bytes, data: bytes) -> SendResult:
        sent = self._port.send(peer, data)
        if sent is SendResult.SENT:
            with self._lock:
                self._counters.sent(
                    len(data), encrypted=self._port.encrypted, now_us=self._now_us()
                )
        return sent
