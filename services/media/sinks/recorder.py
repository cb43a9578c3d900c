# SPDX-License-Identifier: Apache-2.0
"""Gives all decoded frames to a recording sink in a thread of its own, behind a bounded queue.

Recordings keep the times of capture, so that a replay has the stream's own timing and not that of
the link it came over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.errors import SinkError
from services.media.boundary import writing
from services.media.sinks.sink import Sink
from services.process.threads import Queue

if TYPE_CHECKING:
    from streamcodec.frame import Frame

QUEUE_FRAMES = 90  # three seconds at 30 frames a second
_STEP_US = 10_000_000  # a capture this far from now is on another clock than the last


class TapeClock:
    """Times of a recording: near our clock, and as far apart as the captures, to the microsecond.

    The sender's clock is laid on ours once for each of its epochs. Times never run back.
    """

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._ahead_us = 0  # our clock minus the sender's
        self._last_us = 0

    def time_us(self, epoch: int, captured_us: int, *, now_us: int) -> int:
        """The time of a frame of that epoch, decoded now."""
        far = abs(captured_us + self._ahead_us - now_us) > _STEP_US
        if epoch != self._epoch or far:
            self._epoch = epoch
            self._ahead_us = now_us - captured_us
        self._last_us = max(self._last_us, captured_us + self._ahead_us)
        return self._last_us


@dataclass(frozen=True, slots=True)
class _Item:
    frame: Frame
    shown_us: int
    packet: bytes


class Recorder:
    """Feeds one sink. Starts at a keyframe; after a drop it goes on at the next keyframe, so that
    packets of a recording always find their references. The owner closes the sink."""

    def __init__(self, sink: Sink, *, on_error: Callable[[Sink, SinkError], None]) -> None:
        self.sink = sink
        self.dropped = 0
        self._on_error = on_error
        self._queue: Queue[_Item] = Queue(QUEUE_FRAMES)
        self._waits_for_keyframe = True
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="record", daemon=True)
        self._thread.start()

    def put(self, frame: Frame, *, shown_us: int, packet: bytes, keyframe: bool) -> None:
        """Queue a frame; never waits. Frames without their chain are counted as dropped."""
        if keyframe:
            self._waits_for_keyframe = False
        if self._waits_for_keyframe:
            self.dropped += 1
        elif not self._queue.put(_Item(frame, shown_us, packet)):
            self.dropped += 1
            self._waits_for_keyframe = True

    def stop(self) -> None:
        """Write what is queued and end the thread."""
        self._stopping = True
        self._queue.close()
        self._thread.join(10.0)

    def _work(self) -> None:
        while True:
            item = self._queue.take(0.2)
            if item is None:
                if self._stopping:
                    return
                continue
            try:
                with writing("the recording"):
                    self.sink.write(item.frame, shown_us=item.shown_us, packet=item.packet)
            except SinkError as error:
                self._on_error(self.sink, error)
                return
