# SPDX-License-Identifier: Apache-2.0
"""All sinks of a receiver: those that show the newest frame, and recordings of every frame."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from services.errors import SinkError
from services.media.boundary import writing
from services.media.sinks.recorder import Recorder, TapeClock
from services.media.sinks.sink import Sink, StreamFacts, tell_stream
from services.protocol.train import Arrival
from services.receiver.decoding import Picture

if TYPE_CHECKING:
    from streamcodec.frame import Frame


class Sinks:
    """Any thread may add and remove; each recording writes in a thread of its own.

    `tell` gets what happens: the name of an event and its detail.
    """

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._screens: tuple[Sink, ...] = ()
        self._recorders: dict[int, Recorder] = {}
        self._names: dict[int, str] = {}  # of recordings that have not failed
        self._clock = TapeClock()
        self._dropped = 0  # by recordings that ended

    @property
    def dropped(self) -> int:
        """Frames that recordings could not take."""
        with self._lock:
            return self._dropped + sum(r.dropped for r in self._recorders.values())

    def add(self, sink: Sink, *, name: str) -> None:
        """Write to it from now on; events call a recording by its name."""
        if not sink.every_frame:
            with self._lock:
                self._screens = (*self._screens, sink)
            return
        recorder = Recorder(sink, on_error=self._failed)
        with self._lock:
            self._recorders[id(sink)] = recorder
            self._names[id(sink)] = name
        self._tell("recording_started", name)

    def remove(self, sink: Sink) -> None:
        """Stop writing to it, and close it."""
        with self._lock:
            self._screens = tuple(other for other in self._screens if other is not sink)
            recorder = self._recorders.pop(id(sink), None)
        if recorder is not None:
            recorder.stop()
            with self._lock:
                self._dropped += recorder.dropped
        try:
            sink.close()
        except SinkError as error:
            self._failed(sink, error)
        with self._lock:
            name = self._names.pop(id(sink), None)
        if name is not None:
            self._tell("recording_ended", name)

    def close(self) -> None:
        """Remove all."""
        with self._lock:
            sinks = (*self._screens, *(recorder.sink for recorder in self._recorders.values()))
        for sink in sinks:
            self.remove(sink)

    def set_stream(self, stream: StreamFacts) -> None:
        """Tell the sinks that take it which stream begins."""
        with self._lock:
            sinks = (*self._screens, *(recorder.sink for recorder in self._recorders.values()))
        for sink in sinks:
            tell_stream(sink, stream)

    def record(self, arrival: Arrival, picture: Picture, *, now_us: int) -> None:
        """Give a frame that was just decoded to all recordings; never waits."""
        head = arrival.head
        at_us = self._clock.time_us(head.epoch, head.captured_us, now_us=now_us)
        with self._lock:
            recorders = tuple(self._recorders.values())
        for recorder in recorders:
            recorder.put(
                picture.frame, shown_us=at_us, packet=arrival.packet, keyframe=picture.keyframe
            )

    def show(self, frame: Frame, *, shown_us: int, packet: bytes) -> None:
        """Give a frame to all others; who fails is removed."""
        for sink in self._screens:
            try:
                with writing("the output"):
                    sink.write(frame, shown_us=shown_us, packet=packet)
            except SinkError as error:
                self._tell("sink_failed", str(error))
                self.remove(sink)

    def _failed(self, sink: Sink, error: SinkError) -> None:
        with self._lock:
            self._names.pop(id(sink), None)
        self._tell("recording_failed", str(error))
