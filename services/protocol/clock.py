# SPDX-License-Identifier: Apache-2.0
"""Offset between two monotonic clocks, with a bound of its error; pure.

Four stamps of a PING and its PONG give offset ((t2 - t1) + (t3 - t4)) / 2 and delay
(t4 - t1) - (t3 - t2); the offset is wrong by at most delay / 2. As in RFC 5905, section 10, the
sample of least delay among the last few is used; its bound grows with its age, since the clocks
drift apart. Two processes of one boot share the monotonic clock: offset and error are 0.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from services.protocol.messages import MAX_SPAN_US

DRIFT_PPM = 50  # two ordinary quartz clocks
SAMPLES = 16
STEP_US = 1_000_000  # a jump beyond this is a suspend or a new peer, not drift


@dataclass(frozen=True, slots=True)
class Offset:
    """Remote clock minus local clock, and how far that may be off."""

    offset_us: int
    error_us: int

    def to_local(self, remote_us: int) -> int:
        """A point on the remote clock as a point on ours."""
        return remote_us - self.offset_us


@dataclass(frozen=True, slots=True)
class _Sample:
    offset_us: int
    delay_us: int
    taken_us: int

    def error_us(self, now_us: int) -> int:
        return (self.delay_us + 1) // 2 + max(0, now_us - self.taken_us) * DRIFT_PPM // 1_000_000


class ClockFilter:
    """Collects PING exchanges with one peer; answers with the tightest offset known."""

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES)

    def add(self, *, sent_us: int, received_us: int, returned_us: int, now_us: int) -> None:
        """One exchange: sent and now on our clock, received and returned on the peer's."""
        delay_us = (now_us - sent_us) - (returned_us - received_us)
        if delay_us < 0 or now_us < sent_us:
            return  # not an exchange of ours
        offset_us = ((received_us - sent_us) + (returned_us - now_us)) // 2
        sample = _Sample(offset_us, delay_us, now_us)
        if self._samples and self._stepped(sample):
            self._samples.clear()
        self._samples.append(sample)

    def offset(self, now_us: int) -> Offset | None:
        """The best estimate now; None before the first exchange with a foreign clock."""
        if self._shared:
            return Offset(0, 0)
        if not self._samples:
            return None
        best = min(self._samples, key=lambda sample: sample.error_us(now_us))
        return Offset(best.offset_us, best.error_us(now_us))

    @property
    def round_trip_us(self) -> int | None:
        """Least delay of the recent exchanges."""
        return min((sample.delay_us for sample in self._samples), default=None)

    def _stepped(self, sample: _Sample) -> bool:
        newest = self._samples[-1]
        allowed_us = STEP_US + (sample.delay_us + newest.delay_us) // 2
        return abs(sample.offset_us - newest.offset_us) > allowed_us


def shares_clock(boot_id: bytes, other: bytes) -> bool:
    """True when both processes run on one boot of one machine."""
    return bool(boot_id) and boot_id == other


def summed_error_us(offset: Offset | None, before_us: int) -> int | None:
    """Error of a time that came over several hops: ours, and that of all before; None: unknown."""
    if offset is None or before_us >= MAX_SPAN_US:
        return None
    return offset.error_us + before_us
