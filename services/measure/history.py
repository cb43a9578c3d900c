# SPDX-License-Identifier: Apache-2.0
"""Turns what both ends counted, moment by moment, into the points of the plots; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.measure.stats import ReceiverSnapshot, SenderSnapshot

_NONE = float("nan")
_MAX_SAMPLES = 20_000  # over an hour at five a second


@dataclass(frozen=True, slots=True)
class LinkState:
    """The emulated link at one moment."""

    capacity_bps: int
    used_bps: int
    queue_bytes: int
    delay_us: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known of both ends at one time; None for an end that has not reported yet."""

    at_us: int
    sender: SenderSnapshot | None
    receiver: ReceiverSnapshot | None
    link: LinkState | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """What one moment of the stream looked like; NaN where it is not known."""

    seconds: float
    kbps: float
    latency_ms: float  # median of the frames shown in this span
    latency_p95_ms: float = float("nan")
    psnr_db: float = float("nan")
    legs_ms: Mapping[str, float] = field(default_factory=dict)
    capacity_kbps: float = float("nan")
    queue_ms: float = float("nan")


class History:
    """Samples of a run, each over the span since the one before."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=_MAX_SAMPLES)
        self._first_us: int | None = None
        self._last: Moment | None = None

    @property
    def samples(self) -> Sequence[Sample]:
        """All samples, oldest first."""
        return tuple(self._samples)

    def add(self, moment: Moment) -> None:
        """Take a moment in. Nothing is kept of the time before the first picture."""
        last, self._last = self._last, moment
        if moment.receiver is None or not moment.receiver.frames_displayed:
            return
        if self._first_us is None:
            self._first_us = moment.at_us
        earlier = last.receiver if last is not None else None
        now = moment.receiver.latency
        total, legs = now.total, now.legs
        if earlier is not None and earlier.latency.total.count <= total.count:
            total = total.since(earlier.latency.total)
            legs = {name: leg.since(earlier.latency.legs[name]) for name, leg in legs.items()}
        sender, link = moment.sender, moment.link
        psnr_db = sender.psnr_db if sender is not None else None
        self._samples.append(
            Sample(
                seconds=(moment.at_us - self._first_us) / 1e6,
                kbps=sender.kbps if sender is not None else _kbps(moment.receiver),
                latency_ms=total.percentile_us(0.5) / 1000 if total.count else _NONE,
                latency_p95_ms=total.percentile_us(0.95) / 1000 if total.count else _NONE,
                psnr_db=psnr_db if psnr_db is not None else _NONE,
                legs_ms={n: leg.mean_us / 1000 for n, leg in legs.items()} if total.count else {},
                capacity_kbps=link.capacity_bps / 1000 if link is not None else _NONE,
                queue_ms=_queue_ms(link) if link is not None else _NONE,
            )
        )


def _kbps(receiver: ReceiverSnapshot) -> float:
    """Of a receiver that knows its sender; without one there is no rate, not a rate of nothing."""
    return receiver.kbps if receiver.state == "streaming" else _NONE


def _queue_ms(link: LinkState) -> float:
    """How long the bytes in the link's queue will take at its present rate."""
    return link.queue_bytes * 8000 / link.capacity_bps if link.capacity_bps > 0 else _NONE
