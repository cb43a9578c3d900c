# SPDX-License-Identifier: Apache-2.0
"""A model of one direction of a TCP connection, for virtual time: CUBIC, RACK, tail probe, RTO.

It has what decides the delay of a frame: loss recovery in one round trip or in many, head-of-line
blocking, retransmission timers that double, a congestion window that shrinks when idle. Segments
carry byte ranges, not bytes. Every acknowledgement lists what arrived out of order (an unlimited
SACK).
Sources: RFC 9438 (CUBIC), RFC 8985 (RACK-TLP), RFC 6298 and Linux (timers). Pure; time handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MSS_BYTES = 1448
HEADER_BYTES = 52
INITIAL_WINDOW = 10.0
LEAST_RTO_US = 200_000
FIRST_RTO_US = 1_000_000
MOST_RTO_US = 120_000_000
_BETA = 0.7
_CUBIC = 0.4


class Segment(NamedTuple):
    """A packet's payload as a range of the byte stream."""

    start: int
    end: int
    attempt: int = 1

    @property
    def wire_bytes(self) -> int:
        return self.end - self.start + HEADER_BYTES


class Receipt(NamedTuple):
    """A TCP acknowledgement: all bytes before `next_byte`, and later segments by their start.

    As TCP's timestamps do, it tells which attempt at a segment it answers.
    """

    next_byte: int
    beyond: tuple[int, ...]
    attempt: int = 1


@dataclass(slots=True)
class _Outstanding:
    segment: Segment
    sent_us: int
    first_us: int
    sends: int = 1
    arrived: bool = False
    lost: bool = False  # and not sent again yet


class TcpReceiver:
    """Puts segments in order."""

    def __init__(self) -> None:
        self.next_byte = 0
        self._beyond: dict[int, int] = {}

    def insert(self, segment: Segment) -> Receipt:
        """Take a segment; `next_byte` then tells what the application may read."""
        if segment.end > self.next_byte:
            self._beyond[segment.start] = segment.end
        while self.next_byte in self._beyond:
            self.next_byte = self._beyond.pop(self.next_byte)
        return Receipt(self.next_byte, tuple(self._beyond), segment.attempt)


class TcpSender:
    """Decides which segments leave when.

    `write` adds bytes; `transmit` returns the segments to send now and is called after every
    `write`, `on_receipt` and at `deadline_us`.
    """

    def __init__(self) -> None:
        self._written = 0
        self._next_new = 0
        self._acknowledged = 0
        self._flight: dict[int, _Outstanding] = {}  # by start, in order
        self._window = INITIAL_WINDOW  # segments
        self._threshold = float("inf")
        self._cubic_origin_us: int | None = None
        self._window_before_loss = 0.0
        self._recovery_end = 0
        self._smooth_us: float | None = None
        self._variation_us = 0.0
        self._least_rtt_us: int | None = None
        self._backoff = 0
        self._before_timeout: tuple[float, float] | None = None  # window, threshold
        self._probed = False
        self._timer_from_us = 0
        self._last_send_us: int | None = None

    @property
    def unacknowledged_bytes(self) -> int:
        """Bytes written and not yet acknowledged, sent or not."""
        return self._written - self._acknowledged

    def write(self, size_bytes: int) -> int:
        """Append bytes; return the stream position behind them."""
        self._written += size_bytes
        return self._written

    def deadline_us(self) -> int | None:
        """When `on_deadline` must be called unless a receipt comes first."""
        if not self._flight:
            return None
        rto_at = self._timer_from_us + self._rto_us()
        if self._probed or self._backoff or self._smooth_us is None or self._in_recovery():
            return rto_at
        assert self._last_send_us is not None
        probe_us = 2 * self._smooth_us + (LEAST_RTO_US if len(self._flight) == 1 else 2_000)
        return min(rto_at, self._last_send_us + int(probe_us))

    def on_deadline(self, now_us: int) -> list[Segment]:
        """Tail probe or retransmission timeout."""
        rto_at = self._timer_from_us + self._rto_us()
        if now_us < rto_at:
            self._probed = True
            new = self._take_new(now_us) if self._next_new < self._written else None
            if new is None:
                last = next(o for o in reversed(self._flight.values()) if not o.arrived)
                new = self._resend(last, now_us)
            self._timer_from_us = now_us
            return [new]
        if not self._backoff:
            self._before_timeout = self._window, self._threshold
            self._threshold = max(2.0, self._window * _BETA)
            self._window_before_loss = self._window
        self._backoff += 1
        self._window = 1.0
        self._cubic_origin_us = None
        self._recovery_end = self._next_new
        for one in self._flight.values():
            one.lost = not one.arrived
        self._timer_from_us = now_us
        return self.transmit(now_us)

    def on_receipt(self, receipt: Receipt, now_us: int) -> list[Segment]:
        """Process an acknowledgement; returns the segments to send now."""
        limited = self._in_flight() + 1 >= self._window or self._written > self._next_new
        newest_sent_us = -1
        delivered = 0
        for start in [s for s in self._flight if s < receipt.next_byte] + list(receipt.beyond):
            one = self._flight.get(start)
            if one is None:
                continue
            if not one.arrived:
                one.arrived, one.lost = True, False
                delivered += 1
                answered_us = one.first_us if receipt.attempt == 1 else one.sent_us
                newest_sent_us = max(newest_sent_us, answered_us)
                if one.sends == 1:
                    self._measure(now_us - one.sent_us)
            if one.segment.end <= receipt.next_byte:
                del self._flight[start]
        if receipt.next_byte > self._acknowledged and self._before_timeout is not None:
            if receipt.attempt == 1:
                self._undo_timeout()
            self._before_timeout = None
        if receipt.next_byte > self._acknowledged:
            self._acknowledged = receipt.next_byte
            self._backoff = 0
            self._probed = False
            self._timer_from_us = now_us
        if delivered:
            self._detect_losses(newest_sent_us, now_us)
            if limited and not self._in_recovery():
                self._grow(delivered, now_us)
        return self.transmit(now_us)

    def transmit(self, now_us: int) -> list[Segment]:
        """Segments that the window allows now: lost ones first, then new ones."""
        if not self._flight:
            idle_us = now_us - self._last_send_us if self._last_send_us is not None else 0
            if idle_us > self._rto_us():
                self._window = min(self._window, INITIAL_WINDOW)  # slow start after idle
            self._timer_from_us = now_us
        out: list[Segment] = []
        room = int(self._window) - self._in_flight()
        for one in self._flight.values():
            if room <= 0:
                break
            if one.lost:
                out.append(self._resend(one, now_us))
                room -= 1
        while room > 0 and self._next_new < self._written:
            out.append(self._take_new(now_us))
            room -= 1
        return out

    def _undo_timeout(self) -> None:
        """The timeout was spurious: segments counted as lost still arrive (RFC 3522, RFC 5682)."""
        assert self._before_timeout is not None
        self._window, self._threshold = self._before_timeout
        self._recovery_end = self._acknowledged
        for one in self._flight.values():
            one.lost = False

    def _take_new(self, now_us: int) -> Segment:
        end = min(self._written, self._next_new + MSS_BYTES)
        segment = Segment(self._next_new, end)
        self._next_new = end
        self._flight[segment.start] = _Outstanding(segment, now_us, now_us)
        self._last_send_us = now_us
        return segment

    def _resend(self, one: _Outstanding, now_us: int) -> Segment:
        one.lost = False
        one.sends += 1
        one.sent_us = now_us
        self._last_send_us = now_us
        return one.segment._replace(attempt=one.sends)

    def _in_flight(self) -> int:
        return sum(not one.arrived and not one.lost for one in self._flight.values())

    def _in_recovery(self) -> bool:
        return self._acknowledged < self._recovery_end

    def _detect_losses(self, newest_sent_us: int, now_us: int) -> None:
        """RACK: lost is what was sent a quarter round trip before something that arrived, or has
        three later segments arrived."""
        window_us = (self._least_rtt_us or 0) // 4
        later = 0
        found = False
        for one in reversed(self._flight.values()):
            if one.arrived:
                later += 1
            elif not one.lost and (
                newest_sent_us - one.sent_us > window_us or (later >= 3 and one.sends == 1)
            ):
                one.lost = found = True
        if found and not self._in_recovery():
            self._window_before_loss = self._window
            self._window = self._threshold = max(2.0, self._window * _BETA)
            self._cubic_origin_us = now_us
            self._recovery_end = self._next_new

    def _grow(self, delivered: int, now_us: int) -> None:
        if self._window < self._threshold:
            self._window += delivered
            return
        if self._cubic_origin_us is None:
            self._cubic_origin_us = now_us
            self._window_before_loss = self._window
        elapsed_s = (now_us - self._cubic_origin_us) / 1e6
        inflection_s = (self._window_before_loss * (1 - _BETA) / _CUBIC) ** (1 / 3)
        cubic = _CUBIC * (elapsed_s - inflection_s) ** 3 + self._window_before_loss
        rtt_s = (self._smooth_us or 100_000.0) / 1e6
        friendly = self._window_before_loss * _BETA + (
            3 * (1 - _BETA) / (1 + _BETA) * elapsed_s / rtt_s
        )
        target = min(max(cubic, friendly), 1.5 * self._window)
        if target > self._window:
            self._window += delivered * (target - self._window) / self._window

    def _measure(self, rtt_us: int) -> None:
        if self._smooth_us is None:
            self._smooth_us, self._variation_us = float(rtt_us), rtt_us / 2
            self._least_rtt_us = rtt_us
            return
        assert self._least_rtt_us is not None
        self._least_rtt_us = min(self._least_rtt_us, rtt_us)
        self._variation_us += (abs(self._smooth_us - rtt_us) - self._variation_us) / 4
        self._smooth_us += (rtt_us - self._smooth_us) / 8
        rising = rtt_us > self._least_rtt_us + max(4_000, self._least_rtt_us // 8)
        if rising and self._window < self._threshold and self._window >= 16:
            self._threshold = self._window  # HyStart: the queue grows, leave slow start

    def _rto_us(self) -> int:
        if self._smooth_us is None:
            base = float(FIRST_RTO_US)
        else:
            base = self._smooth_us + max(4 * self._variation_us, LEAST_RTO_US)
        return min(MOST_RTO_US, int(base) << min(self._backoff, 10))
