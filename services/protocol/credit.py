# SPDX-License-Identifier: Apache-2.0
"""Credit of one receiver: how many frames and bytes may be under way to its screen; pure.

High-water marks do not bound latency; credit does. A frame takes credit when it is handed to the
transport. Its bytes come back when the receiver acknowledges their arrival, its place when it was
shown, so that the sender goes at the rate of the screen. The window follows the receiver: a round
trip and its own work need that many frames under way, divided by how often it takes one. A receiver
that is slower than the stream gets no more than that, or its frames would wait for its decoder.

A relay may send a frame again under the same number. Reports come in the order of sending, so each
is counted for the oldest sending that lacks it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil
from statistics import median_low

MIN_FRAMES = 2
MAX_FRAMES = 320  # ten seconds at 30 frames a second, for a receiver that holds them so long
MAX_BYTES = (
    8 * 1024 * 1024
)  # a receiver lets this and one more packet wait, see services/wire/transport.py
SLACK_US = 40_000  # a link's own queue, and scheduling of busy machines
SPARE_FRAMES = 2  # for a receiver that keeps up: one hiccup must not cost a frame
_START_SERVICE_US = 10_000


@dataclass(slots=True, eq=False)
class _Sending:
    sequence: int
    size_bytes: int
    sent_us: int
    arrived: bool = False


class CreditWindow:
    """Frames and bytes under way to one receiver. Sending spends, SHOWN and ACK give back."""

    def __init__(
        self, *, frame_interval_us: int, hold_us: int = 0, max_bytes: int = MAX_BYTES
    ) -> None:
        self._interval_us = frame_interval_us
        self._hold_us = hold_us  # frames held on purpose are under way all that time
        self._max_bytes = max_bytes
        self._sendings: deque[_Sending] = deque()  # under way, oldest first
        self._by_sequence: dict[int, deque[_Sending]] = {}  # the same
        self._bytes = 0
        self._round_trips_us: deque[int] = deque(maxlen=300)
        self._services_us: deque[int] = deque(maxlen=8)
        self._acknowledged_us = 0
        self._round_trip_us: int | None = None  # least of those above, since the last report
        self._window: int | None = None  # as it was worked out since the last report

    @property
    def frames_in_flight(self) -> int:
        """Frames sent and not yet shown."""
        return len(self._sendings)

    @property
    def bytes_in_flight(self) -> int:
        """Bytes sent and not yet arrived."""
        return self._bytes

    @property
    def round_trip_us(self) -> int | None:
        """Least time from sending to acknowledgement of the last frames."""
        if self._round_trip_us is None:
            self._round_trip_us = min(self._round_trips_us, default=None)
        return self._round_trip_us

    @property
    def window_frames(self) -> int:
        """How many frames may be under way now."""
        if self._window is None:
            self._window = self._worked_out()
        return self._window

    def _worked_out(self) -> int:
        service_us = median_low(self._services_us) if self._services_us else _START_SERVICE_US
        way_us = (self.round_trip_us or 0) + self._hold_us + service_us + SLACK_US
        frames = ceil(way_us / max(self._interval_us, service_us))
        if service_us < 0.9 * self._interval_us:
            frames += SPARE_FRAMES
        return min(MAX_FRAMES, max(MIN_FRAMES, frames))

    def open(self, *, most_bytes: int | None = None) -> bool:
        """True when the receiver takes another frame now; `most_bytes` where others share."""
        most = self._max_bytes if most_bytes is None else min(self._max_bytes, most_bytes)
        return len(self._sendings) < self.window_frames and self._bytes < most

    def spend(self, sequence: int, size_bytes: int, *, now_us: int) -> None:
        """A frame was handed to the transport."""
        sending = _Sending(sequence, size_bytes, now_us)
        self._sendings.append(sending)
        self._by_sequence.setdefault(sequence, deque()).append(sending)
        self._bytes += size_bytes

    def take_back(self, sequence: int) -> None:
        """The transport had no room for the frame that was spent last under this number."""
        sendings = self._by_sequence.get(sequence)
        if sendings is None:
            return
        sending = sendings.pop()
        if not sendings:
            del self._by_sequence[sequence]
        self._sendings.remove(sending)
        if not sending.arrived:
            self._bytes -= sending.size_bytes

    def unacknowledged_bytes(self, sequence: int) -> int | None:
        """The size of the frame that the next ACK with this number is about; None without one."""
        sending = self._unacknowledged(sequence)
        return None if sending is None else sending.size_bytes

    def arrived(self, sequence: int, *, now_us: int) -> bool:
        """ACK: its bytes are through. False for a frame that is not under way."""
        sending = self._unacknowledged(sequence)
        if sending is None:
            return False
        sending.arrived = True
        self._bytes -= sending.size_bytes
        self._round_trips_us.append(now_us - sending.sent_us)
        self._round_trip_us = self._window = None
        self._acknowledged_us = now_us
        return True

    def has_arrived(self, sequence: int) -> bool:
        """False where the next SHOWN with this number is about a frame without an ACK."""
        sendings = self._by_sequence.get(sequence)
        return sendings is None or sendings[0].arrived

    def shown(self, sequence: int, *, service_us: int, now_us: int) -> bool:
        """SHOWN: the frame and all before it are no longer under way. False where it is not."""
        sendings = self._by_sequence.get(sequence)
        if sendings is None:
            return False
        shown = sendings[0]
        if not shown.arrived:
            self.arrived(sequence, now_us=now_us)
        while self._take_oldest() is not shown:
            pass
        if service_us > 0:
            self._services_us.append(service_us)
            self._window = None
        return True

    def silent_us(self, now_us: int) -> int:
        """How long bytes are under way without any acknowledgement; 0 with none under way."""
        waiting_us = next((one.sent_us for one in self._sendings if not one.arrived), None)
        return 0 if waiting_us is None else max(0, now_us - max(waiting_us, self._acknowledged_us))

    def clear(self) -> None:
        """The receiver starts again: nothing is under way."""
        self._sendings.clear()
        self._by_sequence.clear()
        self._bytes = 0

    def _unacknowledged(self, sequence: int) -> _Sending | None:
        sendings = self._by_sequence.get(sequence, ())
        return next((one for one in sendings if not one.arrived), None)

    def _take_oldest(self) -> _Sending:
        oldest = self._sendings.popleft()
        same = self._by_sequence[oldest.sequence]
        same.popleft()
        if not same:
            del self._by_sequence[oldest.sequence]
        if not oldest.arrived:
            self._bytes -= oldest.size_bytes
        return oldest
