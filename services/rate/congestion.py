# SPDX-License-Identifier: Apache-2.0
"""Rate control: acknowledgements in, the byte budget of the next frame out; pure.

Theory of operation. A frame travels as a train of packets whose head and tail the receiver stamps
with its own clock. While the link is busy with our bytes, the spacing of tails is its capacity;
when it is idle, the spacing of head and tail of one frame is. No probing and no clock agreement is
needed: a head's stamp minus our sending time holds the unknown offset between the clocks, and so
does its minimum over time (`base`), hence sums of the two stay on one clock.

From capacity and the bytes not yet acknowledged follows when the link will have served them. What
the next frame would wait for beyond the empty path is the backlog; the budget is one frame
period's worth of capacity less a share of it. An acknowledgement that is overdue is the earliest
sign that the link slowed down. Constants and how much each matters: `rate.tuning`, docs/link.md.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf

from services.rate.budget import (
    BACKLOG,
    BANDWIDTH,
    KEEPALIVE,
    STARTUP,
    UNACKNOWLEDGED,
    UNLIMITED,
    Ack,
    Budget,
)
from services.rate.tuning import Tuning

HEADER_BYTES = 52  # IP and TCP with timestamps, charged once a frame where it matters
SEGMENT_BYTES = 1448  # payload of one full packet


@dataclass(frozen=True, slots=True)
class _Sent:
    frame_id: int
    size_bytes: int
    at_us: int
    filled: bool  # the budget was the limit, not the picture
    gap_us: int  # since the frame before


class CongestionController:
    """Decides the size of each frame for one receiver.

    Call order: `budget` for every captured frame; `on_sent` when bytes are handed to the transport,
    wherever they then lie; `on_ack` for each acknowledgement in order of arrival; `on_reset` when
    the connection was lost. `now_us` never decreases. Unknown acknowledgements do nothing.
    """

    def __init__(
        self,
        *,
        frame_interval_us: int,
        min_bytes: int = 600,
        max_bytes: int = 60_000,
        tuning: Tuning | None = None,
    ) -> None:
        if frame_interval_us <= 0 or not 0 < min_bytes <= max_bytes:
            raise ValueError(
                f"frame_interval_us={frame_interval_us}, min_bytes={min_bytes},"
                f" max_bytes={max_bytes}: needs an interval > 0 and 0 < min_bytes <= max_bytes"
            )
        self._tuning = tuning or Tuning()
        self._interval_us = frame_interval_us
        self._min_bytes = min_bytes
        self._max_bytes = max_bytes
        self._capacity = self._tuning.start_bytes_per_s  # bytes per second, as the link showed
        self._rate = self._tuning.start_bytes_per_s  # bytes per second that may be used
        self._forget_path()

    def _forget_path(self) -> None:
        self._in_flight: deque[_Sent] = deque()
        self._spans: deque[tuple[int, float]] = deque(maxlen=self._tuning.window_frames)
        self._long_minimum = _WindowMinimum(10_000_000)
        self._short_minimum = _WindowMinimum(1_000_000)
        self._waits_us: deque[int] = deque(maxlen=6)
        self._returns_us: deque[int] = deque(maxlen=30)
        self._last_tail_us: int | None = None
        self._last_sent_us: int | None = None
        self._last_ack_us: int | None = None
        self._stalled_us: int | None = None  # when the last outage was over
        self._resumed_acks = 0  # of frames sent since
        self._lost_bytes_per_s = 0.0
        self._backlog_us = 0
        self._granted_bytes = 0
        self._filled = True
        self._unspent_bytes = 0

    @property
    def capacity_bps(self) -> int:
        """Capacity of the link in bits per second, as last estimated."""
        return int(self._capacity * 8)

    @property
    def rate_bps(self) -> int:
        """Rate that frames may use, in bits per second: grows towards the capacity."""
        return int(min(self._rate, self._capacity) * 8)

    @property
    def queue_us(self) -> int:
        """How long the next frame would have waited behind our own bytes, at the last budget."""
        return self._backlog_us

    @property
    def min_rtt_us(self) -> int | None:
        """Least round trip, head to acknowledgement, of the last seconds; None before the first."""
        if not self._returns_us:
            return None
        return max(0, self._long_minimum.value() + min(self._returns_us))

    @property
    def bytes_in_flight(self) -> int:
        """Bytes handed over and not yet acknowledged."""
        return sum(sent.size_bytes for sent in self._in_flight)

    def stalled_us(self, now_us: int) -> int:
        """How long bytes are outstanding without any acknowledgement; 0 while the link answers.

        Beyond the larger of one second and four round trips a new connection beats waiting for
        TCP, whose retransmission timer doubles all through an outage.
        """
        if not self._in_flight:
            return 0
        since = self._in_flight[0].at_us
        if self._last_ack_us is not None:
            since = max(since, self._last_ack_us)
        return max(0, now_us - since)

    def on_sent(self, frame_id: int, size_bytes: int, now_us: int) -> None:
        """Note that a frame's bytes were handed to the transport."""
        self._filled = size_bytes >= self._tuning.filled_share * self._granted_bytes
        gap_us = now_us - self._last_sent_us if self._last_sent_us is not None else 0
        self._in_flight.append(_Sent(frame_id, size_bytes, now_us, self._filled, gap_us))
        self._last_sent_us = now_us
        self._unspent_bytes = max(0, self._granted_bytes - size_bytes)

    def on_reset(self, now_us: int) -> None:
        """Forget the path after a lost connection; a quarter of the capacity is the first guess."""
        self._forget_path()
        self._restart_rate()
        self._last_sent_us = now_us

    def on_ack(self, ack: Ack, now_us: int) -> None:
        """Learn from one frame's arrival. Older frames still open count as arrived too."""
        sent = self._take(ack.frame_id)
        if sent is None:
            return
        transit_us = ack.head_us - sent.at_us
        self._long_minimum.add(transit_us, now_us)
        self._short_minimum.add(transit_us, now_us)
        self._waits_us.append(transit_us - self._long_minimum.value())
        self._returns_us.append(now_us - ack.tail_us)
        busy = self._busy_span(ack, sent)
        outage = self._was_outage(busy, now_us)
        self._last_tail_us = ack.tail_us
        self._last_ack_us = now_us
        if outage:
            self._spans.clear()
            if not self._is_recovering():  # outages in a row do not add up
                self._restart_rate()
            self._stalled_us = now_us
            self._resumed_acks = 0
            return
        if self._stalled_us is not None and sent.at_us >= self._stalled_us:
            self._resumed_acks += 1
        if busy is None:
            # Older spans would hold the drift back for a window's length: start from here.
            growth = self._blind_growth(sent.gap_us) if sent.filled else 1.0
            self._spans.clear()
            busy = 1000, 1000 * 1e6 / (growth * self._capacity)
        else:
            self._lost_bytes_per_s = 0.0
        self._spans.append(busy)
        self._capacity = min(
            self._bytes_per_s(len(self._spans)), self._bytes_per_s(self._tuning.fast_frames)
        )
        growth = self._tuning.growth if sent.filled else 1.0
        self._rate = max(self._tuning.floor_bytes_per_s, min(growth * self._rate, self._capacity))

    def budget(self, now_us: int, *, encode_us: int, floor_bytes: int | None = None) -> Budget:
        """Size the frame captured now, which will be handed over after `encode_us`; or skip it.

        `floor_bytes` is the least useful size, where it differs from the stream's minimum (a
        keyframe's): a budget below the floor is raised to it when the link is idle.
        """
        tuning = self._tuning
        least = self._min_bytes if floor_bytes is None else floor_bytes
        if len(self._in_flight) >= self._most_in_flight():
            return Budget(None, BACKLOG if self._returns_us else STARTUP)
        rival_us = tuning.rival_slack_us if self._rival() else 0
        backlog_us, capacity, overdue_us = self._predict(now_us + encode_us, now_us, rival_us)
        self._backlog_us = int(backlog_us)
        rate = min(capacity, self._rate)
        idle_us = now_us - self._last_sent_us if self._last_sent_us is not None else 0
        earned_us = float(self._interval_us)
        longest_us = tuning.saved_periods * self._interval_us
        thin = tuning.link_share * rate * self._interval_us < 1.5e6 * self._min_bytes
        if thin and self._last_sent_us is not None:
            earned_us = min(float(idle_us), longest_us)
        excess_us = max(0.0, backlog_us - tuning.slack_us - rival_us)
        usable_us = self._yielding() * tuning.link_share * earned_us - tuning.drain * excess_us
        size = int(rate * usable_us / 1e6)
        # Qualities are steps, so a frame leaves some percent of its budget: the next may use it.
        size += min(self._unspent_bytes, int(tuning.carried_share * max(0, size)))
        self._granted_bytes = max(size, least)
        limit = BACKLOG if excess_us > 0 else BANDWIDTH if self._returns_us else STARTUP
        if size >= self._max_bytes:
            return Budget(max(least, self._max_bytes), UNLIMITED)
        if size >= least:
            return Budget(size, limit)
        if idle_us >= tuning.stall_us and backlog_us < tuning.keepalive_backlog_us:
            return Budget(least, KEEPALIVE)
        saved = backlog_us <= tuning.slack_us and (
            earned_us >= longest_us or least > self._min_bytes
        )
        if saved or self._is_smooth(least, backlog_us - rival_us, overdue_us):
            return Budget(least, limit)
        stalled = self.stalled_us(now_us) > tuning.stall_us
        return Budget(None, UNACKNOWLEDGED if stalled else limit)

    def _is_smooth(self, least_bytes: int, backlog_us: float, overdue_us: float) -> bool:
        """Whether a small frame is better than none: not on a stalled link or one too
        thin for every frame, nor where it would be a keyframe that the next ones wait for."""
        tuning = self._tuning
        if not self._returns_us or least_bytes > self._min_bytes:
            return False
        least_rate = (self._min_bytes + HEADER_BYTES) * 1e6 / self._interval_us
        rates = self._capacity / least_rate
        if rates < tuning.smooth_least or overdue_us >= tuning.smooth_silence_us:
            return False
        return backlog_us < min(1.0, rates / tuning.smooth_ease) * tuning.smooth_backlog_us

    def _most_in_flight(self) -> float:
        """How many frames may be under way; no limit but the backlog, once it is known."""
        if not self._returns_us:
            return self._tuning.start_frames
        if self._is_recovering():
            return self._tuning.resume_frames + self._resumed_acks
        return inf

    def _take(self, frame_id: int) -> _Sent | None:
        """Remove a frame from those in flight, with all sent before it."""
        if all(sent.frame_id != frame_id for sent in self._in_flight):
            return None
        while True:
            sent = self._in_flight.popleft()
            if sent.frame_id == frame_id:
                return sent

    def _was_outage(self, busy: tuple[int, float] | None, now_us: int) -> bool:
        """Whether this acknowledgement ends a time in which nothing passed."""
        stall_us = self._tuning.stall_us
        if busy is not None and busy[1] > stall_us:
            return True
        silent = self._last_ack_us is not None and now_us - self._last_ack_us > stall_us
        return silent and self._waits_us[-1] > stall_us

    def _blind_growth(self, gap_us: int) -> float:
        """Factor for a frame that taught nothing, `gap_us` after the one before: as fast in time
        where frames are left out; faster while what the link carried before an outage is not
        reached, and nothing has told since that it carries less."""
        tuning = self._tuning
        lost = self._capacity < self._lost_bytes_per_s
        periods = min(tuning.saved_periods, max(1.0, gap_us / self._interval_us))
        return float((tuning.growth if lost else tuning.blind_growth) ** periods)

    def _restart_rate(self) -> None:
        share = self._tuning.resume_share * min(self._rate, self._capacity)
        self._lost_bytes_per_s = min(self._rate, self._capacity)
        self._capacity = self._rate = max(self._tuning.floor_bytes_per_s, share)

    def _is_recovering(self) -> bool:
        """Whether an outage ended not long before the last acknowledgement."""
        after = self._stalled_us
        if after is None or self._last_ack_us is None:
            return False
        return self._last_ack_us - after < self._tuning.recovery_us

    def _rival(self) -> bool:
        if not self._returns_us:
            return False
        if self._is_recovering():
            return False  # what waited for the outage is ours
        return self._short_minimum.value() - self._long_minimum.value() > self._tuning.rival_us

    def _base_us(self) -> int:
        """Transit of an empty path, offset of the clocks and a rival's standing queue included."""
        if not self._returns_us:
            return 0
        return self._short_minimum.value() if self._rival() else self._long_minimum.value()

    def _busy_span(self, ack: Ack, sent: _Sent) -> tuple[int, float] | None:
        """Bytes and the time, in microseconds, that the link spent on them; None where one packet
        on an idle link tells neither."""
        before = self._last_tail_us
        if before is not None and before > sent.at_us + self._base_us():
            # The link was still serving our previous frame when this one reached it.
            start = float(before)
            if self._rival() and sent.size_bytes > SEGMENT_BYTES:
                # Part of the gap may have gone to the rival: the head bounds how much is ours.
                start = max(start, ack.head_us - SEGMENT_BYTES * 1e6 / self._capacity)
            return sent.size_bytes + HEADER_BYTES, ack.tail_us - start
        if sent.size_bytes >= 2 * SEGMENT_BYTES:
            return sent.size_bytes - SEGMENT_BYTES, float(ack.tail_us - ack.head_us)
        return None

    def _bytes_per_s(self, frames: int) -> float:
        """Bytes per second over the newest spans. Several frames may arrive at one instant behind a
        lost packet, so spans are summed and never shorter than a millisecond."""
        newest = list(self._spans)[-frames:]
        return sum(size for size, _ in newest) * 1e6 / max(1_000.0, sum(us for _, us in newest))

    def _yielding(self) -> float:
        """Factor below one while even the fastest recent frame was queued: give way, in bounds."""
        if not self._waits_us:
            return 1.0
        tuning = self._tuning
        standing_us = max(0, min(self._waits_us) - tuning.yield_after_us)
        return max(tuning.yield_floor, 1.0 - standing_us / tuning.yield_span_us)

    def _predict(self, handed_us: int, now_us: int, rival_us: int) -> tuple[float, float, float]:
        """Wait in microseconds of a frame handed over at `handed_us`, the capacity now, and for how
        long the oldest acknowledgement has been overdue.

        The capacity is the estimate, lowered while that acknowledgement is overdue.
        """
        capacity, overdue_us = self._capacity, 0.0
        if not self._in_flight or not self._returns_us or self._last_tail_us is None:
            return 0.0, capacity, 0.0
        base_us = self._base_us()
        through = float(self._last_tail_us)  # receiver's clock: our bytes up to here are served
        for position, sent in enumerate(self._in_flight):
            start = max(through, float(sent.at_us + base_us))
            through = start + sent.size_bytes * 1e6 / capacity
            if position == 0:
                # The longest recent return trip, or each batch of acknowledgements is an alarm.
                silent_until = now_us - max(self._returns_us) - rival_us
                if silent_until > through:
                    overdue_us = silent_until - through
                    capacity = min(capacity, sent.size_bytes * 1e6 / (silent_until - start))
                    half = 0.5 * min(sent.size_bytes * 1e6 / capacity, 50_000.0)
                    through = silent_until + half
        return max(0.0, through - (handed_us + base_us)), capacity, overdue_us


class _WindowMinimum:
    """The least of the values of the last `span_us`; the newest one when all are older."""

    def __init__(self, span_us: int) -> None:
        self._span_us = span_us
        self._candidates: deque[tuple[int, int]] = deque()  # (time, value), values rising

    def add(self, value: int, now_us: int) -> None:
        while self._candidates and self._candidates[-1][1] >= value:
            self._candidates.pop()
        self._candidates.append((now_us, value))
        while self._candidates[0][0] < now_us - self._span_us:
            self._candidates.popleft()

    def value(self) -> int:
        return self._candidates[0][1]
