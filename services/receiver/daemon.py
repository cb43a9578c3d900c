# SPDX-License-Identifier: Apache-2.0
"""The receiver: transport thread -> decode thread -> display thread -> sinks. Wiring only.

The decisions are in `protocol.intake` (session), `protocol.playout` (when a frame is shown) and the
codec (what may be decoded). The transport thread does nothing but stamp, acknowledge and pass on,
so that a busy decoder never looks like a slow link.
"""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.errors import ConfigError, PeerLost, SinkError
from services.measure.events import StreamEvent
from services.measure.latency import Latency
from services.measure.stats import ReceiverSnapshot
from services.media.boundary import writing
from services.media.sinks.recorder import Recorder, TapeClock
from services.media.sinks.sink import Sink, tell_rate
from services.process.threads import Crew, Queue, boot_id
from services.protocol import messages as m
from services.protocol.clock import Offset
from services.protocol.intake import Intake, Profile, Results, summed_error_us
from services.protocol.playout import Playout
from services.protocol.standby import Move
from services.protocol.train import Arrival
from services.receiver.counters import ReceiverCounters
from services.receiver.decoding import Decoding, Undecodable
from services.wire.endpoint import watched_gate
from services.wire.spare import SparePort
from services.wire.transport import Endpoint, LinkEvent

if TYPE_CHECKING:
    from streamcodec.codec import Codec
    from streamcodec.frame import Frame

_POLL_MS = 50
_TICK_US = 50_000
_DECODE_QUEUE = 64  # far above any credit: only a sender that ignores credit fills it
_DECODE_QUEUE_BYTES = 2 * m.MAX_PACKET_BYTES  # likewise
_HELD_BYTES = 256 * 1024 * 1024  # of pictures that wait for their time, with `buffer_us`


@dataclass(frozen=True, slots=True)
class ReceiverConfig:
    """What a receiver needs to know beside its codec and sinks."""

    endpoint: Endpoint
    stream: str = ""  # "" takes any
    name: str = "receiver"
    buffer_us: int = 0  # 0 shows the newest frame at once
    patience_s: float | None = None  # without a sender for this long, `run` raises PeerLost
    ends_with_stream: bool = True  # `run` returns when the sender's source ends
    leaves_when_refused: bool = True  # `run` raises ConfigError when the ends do not fit


@dataclass(frozen=True, slots=True)
class FrameMeta:
    """What is known about a shown frame. Times are on this machine's monotonic clock."""

    sequence: int
    epoch: int
    captured_us: int | None  # None while the sender's clock is not known
    shown_us: int
    latency: Latency | None
    keyframe: bool
    quality: int
    size_bytes: int

    @property
    def latency_us(self) -> int | None:
        """Capture to display."""
        return None if self.latency is None else self.latency.total_us

    @property
    def latency_error_us(self) -> int | None:
        """How far that may be off, for clocks that differ."""
        return None if self.latency is None else self.latency.error_us


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """What frame observers of a receiver get."""

    frame: Frame
    meta: FrameMeta
    packet: bytes


@dataclass(frozen=True, slots=True)
class _Ready:
    """A decoded frame that waits for its turn on the screen."""

    frame: Frame
    arrival: Arrival
    keyframe: bool
    quality: int
    start_us: int
    end_us: int


def now_us() -> int:
    """The monotonic clock that all processes of one boot share."""
    return time.monotonic_ns() // 1000


class ReceiverDaemon:
    """Receives one stream for as long as it lives, through restarts of the sender.

    Sinks are written by the display thread, newest frame wins; those with `every_frame`
    (recordings) get all decoded frames in a thread of their own. `stop` closes all sinks.
    Errors: ConfigError when the address cannot be used, at `start`; see `ReceiverConfig` for
    what `run` raises.
    """

    def __init__(
        self,
        config: ReceiverConfig,
        *,
        codec: Codec,
        sinks: Iterable[Sink] = (),
        clock_us: Callable[[], int] = now_us,
    ) -> None:
        self._config = config
        self._now_us = clock_us
        started_us = clock_us()
        self._lock = threading.Lock()
        self._intake = Intake(
            Profile(
                model_hash=codec.model_hash,
                self_test=codec.self_test(),
                stream=config.stream,
                name=config.name,
                instance=secrets.randbits(64),
                boot_id=boot_id(),
                hold_us=config.buffer_us,
            ),
            connects=not config.endpoint.bind,
            now_us=started_us,
        )
        self._port = SparePort(config.endpoint)
        self._crew = Crew()
        self._arrivals: Queue[Arrival] = Queue(
            _DECODE_QUEUE,
            weight=lambda arrival: len(arrival.packet),
            most_weight=_DECODE_QUEUE_BYTES,
        )
        self._playout: Playout[_Ready] = Playout(
            buffer_us=config.buffer_us,
            weight=lambda ready: ready.frame.width * ready.frame.height * 3 // 2,
            most_weight=_HELD_BYTES,
        )
        self._display = threading.Condition()
        self._reports: deque[m.FrameShown | m.KeyframeReason] = deque()
        self.size = codec.size  # of its model
        self._decoding = Decoding(codec)
        self._observers: tuple[Callable[[ShownFrame], None], ...] = ()
        self._sinks: tuple[Sink, ...] = ()
        self._recorders: dict[int, Recorder] = {}
        self._recording: dict[int, str] = {}  # names of those that have not failed
        self._tape_clock = TapeClock()
        self._sink_us = 0
        self._ended = threading.Event()
        self._heard_us = started_us  # when a session last existed
        self._counters = ReceiverCounters(stream=config.stream, started_us=started_us)
        for sink in sinks:
            self.add_sink(sink)

    @property
    def url(self) -> str:
        """The address in use; after binding to port 0, with the real port."""
        return self._port.url

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the socket and start the threads; returns at once."""
        self._port.open()
        self._crew.start("display", self._show)
        self._crew.start("decode", self._decode)
        self._crew.start("transport", self._transport)

    def stop(self) -> None:
        """Say BYE, stop the threads, close socket and sinks."""
        self._crew.stopping.set()
        self._arrivals.close()
        self._port.wake()
        with self._display:
            self._display.notify_all()
        self._crew.join()
        self._port.close()
        for sink in (*self._sinks, *(recorder.sink for recorder in self._recorders.values())):
            self.remove_sink(sink)

    def run(self, until: float | None = None) -> None:
        """Start, receive for `until` seconds or until the stream ends, and stop."""
        try:
            self.start()
            self.wait(until)
        finally:
            self.stop()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the stream ended, the time is over, or going on makes no sense.

        Raises ConfigError (refused), PeerLost (no sender), or what broke a thread.
        """
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        while not self._crew.stopping.is_set():
            if self._ended.is_set() and self._config.ends_with_stream:
                break
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self.check()
            self._crew.stopping.wait(min(left, 0.05))
        self.check()

    @property
    def ended(self) -> bool:
        """True when the sender said that its source has ended, and no new stream began."""
        return self._ended.is_set()

    def check(self) -> None:
        """Raise what `run` would raise now: a refusal, a lost sender, a broken thread."""
        if self._crew.error is not None:
            raise self._crew.error
        with self._lock:
            refusal = self._intake.refusal
            busy = self._intake.busy
            alone_s = (self._now_us() - self._heard_us) / 1e6
        if refusal and self._config.leaves_when_refused:
            raise ConfigError(f"{self._port.url} refused this receiver: {refusal}")
        if self._config.patience_s is not None and alone_s > self._config.patience_s:
            if busy:
                raise PeerLost(f"{self._port.url} is full: {busy}")
            raise PeerLost(f"no sender at {self._port.url} for {alone_s:.0f} s: is it running?")

    # -- control -------------------------------------------------------------------------------

    def request_keyframe(self) -> None:
        """Ask the sender for a keyframe."""
        self._reports.append(m.KeyframeReason.USER)
        self._port.wake()

    def add_sink(self, sink: Sink, *, name: str = "recording") -> None:
        """Write frames to this sink from now on; `name` is what events call a recording."""
        self._tell_rate(sink)
        if sink.every_frame:
            self._recorders[id(sink)] = Recorder(sink, on_error=self._recorder_failed)
            with self._lock:
                self._recording[id(sink)] = name
                self._counters.events.add(self._now_us(), "recording_started", name)
            self.request_keyframe()
        else:
            self._sinks = (*self._sinks, sink)

    def _tell_rate(self, *sinks: Sink) -> None:
        """Say the pace of the stream to sinks that want to know; nothing before it is known."""
        with self._lock:
            welcome = self._intake.welcome
        for sink in sinks if welcome is not None else ():
            if welcome is not None:
                tell_rate(sink, 1e6 / welcome.frame_interval_us)

    def remove_sink(self, sink: Sink) -> None:
        """Stop writing to this sink, and close it."""
        recorder = self._recorders.pop(id(sink), None)
        if recorder is not None:
            recorder.stop()
            with self._lock:
                self._counters.recorder_drops += recorder.dropped
        self._sinks = tuple(other for other in self._sinks if other is not sink)
        try:
            sink.close()
        except SinkError as error:
            self._recorder_failed(sink, error)
        with self._lock:
            name = self._recording.pop(id(sink), None)
            if name is not None:
                self._counters.events.add(self._now_us(), "recording_ended", name)

    def on_frame(self, callback: Callable[[ShownFrame], None]) -> Callable[[], None]:
        """Call back with every shown frame, in the display thread: be quick. Returns the undo."""
        self._observers = (*self._observers, callback)

        def remove() -> None:
            self._observers = tuple(o for o in self._observers if o is not callback)

        return remove

    def snapshot(self) -> ReceiverSnapshot:
        """All statistics as of now, immutable."""
        drops = sum(recorder.dropped for recorder in list(self._recorders.values()))
        with self._lock:
            return self._counters.snapshot(
                self._intake,
                endpoint=self._port.url,
                recorder_drops=drops,
                now_us=self._now_us(),
                gate=watched_gate(self._config.endpoint),
            )

    def events(self) -> tuple[StreamEvent, ...]:
        """The last events, oldest first."""
        return self.snapshot().events

    # -- transport thread ----------------------------------------------------------------------

    def _transport(self) -> None:
        ticked_us = 0
        while not self._crew.stopping.is_set():
            received = self._port.poll(_POLL_MS)
            now = self._now_us()
            for event in received.events:
                self._link_event(event, now)
            if received.cuts:
                with self._lock:
                    self._counters.cut(received.cuts, now)
            for peer, data in received.messages:
                # Stamped as soon as this thread gets to it: the spacing of messages is the link's.
                now = self._now_us()
                with self._lock:
                    results = self._intake.on_message(peer, data, now)
                    self._counters.message(len(data), encrypted=self._port.encrypted)
                self._act(results)
            self._report(now)
            self._counters.malformed += received.malformed
            if now - ticked_us >= _TICK_US:
                ticked_us = now
                with self._lock:
                    results = self._intake.tick(now)
                    if self._intake.welcome is not None:
                        self._heard_us = now
                self._act(results)
        with self._lock:
            farewell = self._intake.farewell()
        self._act(farewell)

    def _link_event(self, event: LinkEvent, now: int) -> None:
        if self._config.endpoint.bind:
            return  # which of several peers it was, silence and PINGs will tell
        hello = Results()
        with self._lock:
            if event is LinkEvent.DISCONNECTED:
                self._intake.lost(now, "disconnected")
            elif event is LinkEvent.SPARE_CONNECTED:
                self._intake.standby_connected(now)
            elif event is LinkEvent.CONNECTED:
                self._intake.rebuilt(now)
                hello = self._intake.tick(now)
            else:
                self._counters.events.add(now, "handshake_refused", "keys or protocol do not fit")
        self._act(hello)

    def _act(self, results: Results) -> None:
        if results.started is not None:
            self._restart()
            if results.sender is not None:
                self._port.trust(results.sender)
        for peer, data in results.messages:
            self._port.send(peer, data)  # refused ones are repeated by the timers
        for arrival in results.arrivals:
            self._arrived(arrival)
        if results.ended is not None:
            self._ended.set()
        if results.standby is not None:
            self._port.move(results.standby, round_trip_us=self._intake.round_trip_us)
        if results.rebuild:
            self._port.rebuild()
        if results.rebuild or results.standby is Move.TAKE:
            with self._lock:
                self._intake.rebuilt(self._now_us())

    def _restart(self) -> None:
        """A session begins: what waits belongs to a former one."""
        self._ended.clear()
        self._tell_rate(*self._sinks, *(r.sink for r in list(self._recorders.values())))
        dropped = len(self._arrivals.clear())
        with self._display:
            dropped += len(self._playout.clear())
        with self._lock:
            self._counters.dropped += dropped

    def _arrived(self, arrival: Arrival) -> None:
        with self._lock:
            self._counters.received(len(arrival.packet), arrival.tail_us)
        if not self._arrivals.put(arrival):
            self._drop(arrival, m.Outcome.DAMAGED, m.KeyframeReason.OVERFLOW)

    def _report(self, now: int) -> None:
        while self._reports:
            report = self._reports.popleft()
            with self._lock:
                if isinstance(report, m.FrameShown):
                    results = self._intake.shown(report)
                else:
                    results = self._intake.ask_keyframe(report, now)
            self._act(results)

    # -- decode thread -------------------------------------------------------------------------

    def _decode(self) -> None:
        while not self._crew.stopping.is_set():
            arrival = self._arrivals.take(0.2)
            if arrival is not None:
                self._decode_one(arrival)

    def _decode_one(self, arrival: Arrival) -> None:
        start_us = self._now_us()
        packet = arrival.packet
        result = self._decoding.decode(packet)
        if isinstance(result, Undecodable):
            self._undecodable(arrival, result, start_us)
            return
        end_us = self._now_us()
        frame, keyframe = result.frame, result.keyframe
        with self._lock:
            self._counters.decoded(
                keyframe=keyframe,
                size=(frame.width, frame.height),
                packet_bytes=len(packet),
                now_us=end_us,
            )
            self._intake.last_sequence = arrival.head.sequence
            if keyframe:
                self._intake.keyframe_came()
        head = arrival.head
        recorded_us = self._tape_clock.time_us(head.epoch, head.captured_us, now_us=end_us)
        for recorder in list(self._recorders.values()):
            recorder.put(frame, shown_us=recorded_us, packet=packet, keyframe=keyframe)
        ready = _Ready(frame, arrival, keyframe, result.quality, start_us, end_us)
        with self._display:
            self._playout.insert(ready, captured_us=arrival.head.captured_us, ready_us=end_us)
            self._display.notify()

    def _undecodable(self, arrival: Arrival, verdict: Undecodable, now: int) -> None:
        with self._lock:
            if verdict.broken:
                self._counters.decoder_failed(verdict.text, now)
            elif verdict.outcome is m.Outcome.DAMAGED:
                self._counters.damaged += 1
                self._counters.events.add(now, "damaged_packet", verdict.text)
        self._drop(arrival, verdict.outcome, verdict.reason)

    def _drop(self, arrival: Arrival, outcome: m.Outcome, reason: m.KeyframeReason) -> None:
        """Drop a packet, give its credit back and ask for a keyframe."""
        with self._lock:
            self._counters.dropped += 1
        head = arrival.head
        self._reports.append(
            m.FrameShown(head.epoch, head.sequence, outcome, 0, m.MAX_SPAN_US, 0, 0, 0, 0)
        )
        self._reports.append(reason)
        self._port.wake()

    # -- display thread ------------------------------------------------------------------------

    def _show(self) -> None:
        while not self._crew.stopping.is_set():
            with self._display:
                due_us = self._playout.next_due_us()
                wait_us = 200_000 if due_us is None else due_us - self._now_us()
                if wait_us > 0:
                    self._display.wait(wait_us / 1e6)
                due = self._playout.pop_due(self._now_us())
            if due.item is not None:
                self._show_one(due.item)
            for ready in due.superseded:
                self._superseded(ready)

    def _show_one(self, ready: _Ready) -> None:
        begin_us = self._now_us()
        packet = ready.arrival.packet
        for sink in self._sinks:
            try:
                with writing("the output"):
                    sink.write(ready.frame, shown_us=begin_us, packet=packet)
            except SinkError as error:
                with self._lock:
                    self._counters.events.add(begin_us, "sink_failed", str(error))
                self.remove_sink(sink)
        shown_us = self._now_us()
        self._sink_us = shown_us - begin_us
        offset = self._offset(shown_us)
        latency = _latency(ready, shown_us, offset)
        with self._lock:
            self._counters.displayed(latency, shown_us)
        self._tell(ready, m.Outcome.SHOWN, shown_us, latency)
        head = ready.arrival.head
        meta = FrameMeta(
            sequence=head.sequence,
            epoch=head.epoch,
            captured_us=offset.to_local(head.captured_us) if offset else None,
            shown_us=shown_us,
            latency=latency,
            keyframe=ready.keyframe,
            quality=ready.quality,
            size_bytes=len(packet),
        )
        for observer in self._observers:
            observer(ShownFrame(ready.frame, meta, packet))

    def _superseded(self, ready: _Ready) -> None:
        with self._lock:
            self._counters.dropped += 1
        self._tell(ready, m.Outcome.SUPERSEDED, self._now_us(), None)

    def _tell(self, ready: _Ready, outcome: m.Outcome, at_us: int, latency: Latency | None) -> None:
        """Report a frame's end to the sender, which gets its credit back by it."""
        head, decode_us = ready.arrival.head, ready.end_us - ready.start_us
        self._reports.append(
            m.FrameShown(
                epoch=head.epoch,
                sequence=head.sequence,
                outcome=outcome,
                latency_us=latency.total_us if latency else 0,
                error_us=latency.error_us if latency else m.MAX_SPAN_US,
                buffer_us=max(0, ready.start_us - ready.arrival.tail_us),
                decode_us=decode_us,
                display_us=max(0, at_us - ready.end_us),
                service_us=max(decode_us, self._sink_us),
            )
        )
        self._port.wake()

    def _offset(self, at_us: int) -> Offset | None:
        with self._lock:
            return self._intake.offset(at_us)

    def _recorder_failed(self, sink: Sink, error: SinkError) -> None:
        with self._lock:
            self._recording.pop(id(sink), None)
            self._counters.events.add(self._now_us(), "recording_failed", str(error))


def _latency(ready: _Ready, shown_us: int, offset: Offset | None) -> Latency | None:
    """The legs of a frame that was shown at `shown_us`; None while the clocks are unknown."""
    head, arrival = ready.arrival.head, ready.arrival
    error_us = summed_error_us(offset, head.error_us)
    if offset is None or error_us is None:
        return None
    sent_us = offset.to_local(head.captured_us + head.sent_us)
    return Latency(
        capture_us=head.encode_start_us,
        encode_us=head.encode_end_us - head.encode_start_us,
        queue_us=head.sent_us - head.encode_end_us,
        network_us=arrival.tail_us - sent_us,
        buffer_us=ready.start_us - arrival.tail_us,
        decode_us=ready.end_us - ready.start_us,
        display_us=shown_us - ready.end_us,
        error_us=error_us,
    )
