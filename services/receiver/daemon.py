# SPDX-License-Identifier: Apache-2.0
"""The receiver: transport thread -> decode thread -> display thread -> sinks. Wiring only.

The decisions are in `receiver.core`, behind one lock that is held for microseconds and never while
decoding. The transport thread does nothing but stamp, acknowledge and pass on, so that a busy
decoder never looks like a slow link.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.errors import ConfigError, PeerLost
from services.measure.events import StreamEvent
from services.measure.stats import ReceiverSnapshot
from services.media.sinks.sink import Sink, StreamFacts, tell_stream
from services.process.clock import boot_id, now_us
from services.process.observers import Observers
from services.process.threads import Crew, Queue
from services.protocol import messages as m
from services.protocol.intake import Results
from services.protocol.profile import ModelMark, Profile
from services.protocol.train import Arrival
from services.receiver.core import FrameMeta, Ready, ReceiverCore
from services.receiver.decoding import Picture
from services.receiver.sinks import Sinks
from services.wire.endpoint import Endpoint, watched_gate
from services.wire.inlet import Inlet

if TYPE_CHECKING:
    from streamcodec.codec import Codec
    from streamcodec.frame import Frame

__all__ = ["FrameMeta", "ReceiverConfig", "ReceiverDaemon", "ShownFrame"]

_DECODE_QUEUE = 64  # far above any credit: only a sender that ignores credit fills it
_DECODE_QUEUE_BYTES = 2 * m.MAX_PACKET_BYTES  # likewise


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
class ShownFrame:
    """What frame observers of a receiver get."""

    frame: Frame
    meta: FrameMeta
    packet: bytes


class ReceiverDaemon:
    """Receives one stream for as long as it lives, through restarts of the sender.

    Sinks are written by the display thread, newest frame wins; those with `every_frame`
    (recordings) get all decoded frames in a thread of their own. `stop` closes all sinks.
    A sender that has the model of one of `others` gets what it wants, where `codec` does not fit.
    Errors: ConfigError when the address cannot be used, at `start`; see `ReceiverConfig` for
    what `run` raises.
    """

    def __init__(
        self,
        config: ReceiverConfig,
        *,
        codec: Codec,
        others: Sequence[Codec] = (),
        sinks: Iterable[Sink] = (),
        clock_us: Callable[[], int] = now_us,
    ) -> None:
        self._config = config
        self._now_us = clock_us
        self._lock = threading.Lock()
        self._display = threading.Condition(self._lock)  # a frame waits for its time
        self._core = ReceiverCore(
            Profile(
                model_hash=codec.model_hash,
                self_test=codec.self_test(),
                stream=config.stream,
                name=config.name,
                instance=secrets.randbits(64),
                boot_id=boot_id(),
                hold_us=config.buffer_us,
                others=tuple(ModelMark(one.model_hash, one.self_test()) for one in others),
            ),
            connects=not config.endpoint.bind,
            codec=codec,
            others=others,
            now_us=clock_us(),
        )
        self._inlet = Inlet(
            config.endpoint, self._core, take=self._took, lock=self._lock, clock_us=clock_us
        )
        self._crew = Crew()
        self._arrivals: Queue[Arrival] = Queue(
            _DECODE_QUEUE,
            weight=lambda arrival: len(arrival.packet),
            most_weight=_DECODE_QUEUE_BYTES,
        )
        self._observers: Observers[ShownFrame] = Observers()
        self._sinks = Sinks(self._tell)
        for sink in sinks:
            self.add_sink(sink)

    @property
    def url(self) -> str:
        """The address in use; after binding to port 0, with the real port."""
        return self._inlet.url

    @property
    def size(self) -> str:
        """Of the model in use, S or M: the sender's, where there is one."""
        with self._lock:
            return self._core.size

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the socket and start the threads; returns at once."""
        self._inlet.open()
        self._crew.start("display", self._show)
        self._crew.start("decode", self._decode)
        self._crew.start("transport", self._transport)

    def stop(self) -> None:
        """Say BYE, stop the threads, close socket and sinks."""
        self._crew.stopping.set()
        self._arrivals.close()
        self._inlet.wake()
        with self._display:
            self._display.notify_all()
        self._crew.join()
        self._inlet.close()
        self._sinks.close()

    def run(self, until: float | None = None) -> None:
        """Start, receive for `until` seconds or until the stream ends, and stop."""
        try:
            self.start()
            self.wait(until)
        finally:
            self.stop()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the stream ended, the time is over, or an error.

        Raises ConfigError (refused), PeerLost (no sender), or what broke a thread.
        """
        self._crew.wait(seconds, over=self._is_over)
        self.check()

    def _is_over(self) -> bool:
        if self._core.ended and self._config.ends_with_stream:
            return True
        self.check()
        return False

    @property
    def ended(self) -> bool:
        """True after the sender's END_OF_STREAM, until a new stream begins."""
        return self._core.ended

    def check(self) -> None:
        """Raise what `run` would raise now: a refusal, a lost sender, a broken thread."""
        if self._crew.error is not None:
            raise self._crew.error
        with self._lock:
            refusal, busy = self._core.intake.refusal, self._core.intake.busy
            alone_s = (self._now_us() - self._core.heard_us) / 1e6
        if refusal and self._config.leaves_when_refused:
            raise ConfigError(f"{self.url} refused this receiver: {refusal}")
        if self._config.patience_s is not None and alone_s > self._config.patience_s:
            if busy:
                raise PeerLost(f"{self.url} is full: {busy}")
            raise PeerLost(f"no sender at {self.url} for {alone_s:.0f} s: is it running?")

    # -- control -------------------------------------------------------------------------------

    def request_keyframe(self) -> None:
        """Ask the sender for a keyframe."""
        with self._lock:
            results = self._core.ask_keyframe(m.KeyframeReason.USER, self._now_us())
        self._inlet.post(results)

    def add_sink(self, sink: Sink, *, name: str = "recording") -> None:
        """Write frames to this sink from now on; `name` is what events call a recording."""
        with self._lock:
            welcome = self._core.intake.welcome
            size = self._core.size
        if welcome is not None:
            tell_stream(sink, StreamFacts(welcome.fps, size))
        self._sinks.add(sink, name=name)
        if sink.every_frame:
            self.request_keyframe()

    def remove_sink(self, sink: Sink) -> None:
        """Stop writing to this sink, and close it."""
        self._sinks.remove(sink)

    def on_frame(self, callback: Callable[[ShownFrame], None]) -> Callable[[], None]:
        """Call back with every shown frame, in the display thread: be quick. Returns the undo."""
        return self._observers.add(callback)

    def snapshot(self) -> ReceiverSnapshot:
        """All statistics as of now, immutable."""
        drops = self._sinks.dropped
        with self._lock:
            return self._core.counters.snapshot(
                self._core,
                endpoint=self.url,
                recorder_drops=drops,
                now_us=self._now_us(),
                gate=watched_gate(self._config.endpoint),
            )

    def events(self) -> tuple[StreamEvent, ...]:
        """The last events, oldest first."""
        return self.snapshot().events

    def _tell(self, event: str, detail: str) -> None:
        with self._lock:
            self._core.events.add(self._now_us(), event, detail)

    # -- transport thread ----------------------------------------------------------------------

    def _transport(self) -> None:
        while not self._crew.stopping.is_set():
            self._inlet.turn()
        self._inlet.say_farewell()

    def _took(self, results: Results) -> None:
        if results.started is not None:
            waited = len(self._arrivals.clear())
            with self._lock:
                self._core.abandoned(waited)
            self._sinks.set_stream(StreamFacts(results.started.fps, self.size))
        for arrival in results.arrivals:
            if not self._arrivals.put(arrival):
                with self._lock:
                    overflow = self._core.overflowed(arrival, self._now_us())
                self._inlet.post(overflow)

    # -- decode thread -------------------------------------------------------------------------

    def _decode(self) -> None:
        while not self._crew.stopping.is_set():
            arrival = self._arrivals.take(0.2)
            if arrival is None:
                self._core.idle(self._now_us())
            else:
                self._decode_one(arrival)

    def _decode_one(self, arrival: Arrival) -> None:
        start_us = self._now_us()
        result = self._core.decode(arrival.packet)
        end_us = self._now_us()
        with self._display:
            repeat = self._core.is_repeat(arrival)
            results = self._core.decoded(arrival, result, start_us=start_us, end_us=end_us)
            self._display.notify()
        self._inlet.post(results)
        if isinstance(result, Picture) and not repeat:
            self._sinks.record(arrival, result, now_us=end_us)

    # -- display thread ------------------------------------------------------------------------

    def _show(self) -> None:
        while not self._crew.stopping.is_set():
            with self._display:
                due_us = self._core.next_due_us()
                wait_us = 200_000 if due_us is None else due_us - self._now_us()
                if wait_us > 0:
                    self._display.wait(wait_us / 1e6)
                due = self._core.due(self._now_us())
            if due.item is not None:
                self._show_one(due.item)
            for ready in due.superseded:
                with self._lock:
                    results = self._core.superseded(ready, self._now_us())
                self._inlet.post(results)

    def _show_one(self, ready: Ready) -> None:
        begin_us = self._now_us()
        packet = ready.arrival.packet
        self._sinks.show(ready.frame, shown_us=begin_us, packet=packet)
        end_us = self._now_us()
        with self._lock:
            meta, results = self._core.shown(ready, begin_us=begin_us, end_us=end_us)
        self._inlet.post(results)
        self._observers.tell(ShownFrame(ready.frame, meta, packet))
