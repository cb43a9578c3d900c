# SPDX-License-Identifier: Apache-2.0
"""Data of the page: the state of both ends and the points of its plots, as JSON; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from services.measure.events import StreamEvent
from services.measure.history import Moment, Sample
from services.measure.stats import LEGS, SenderSnapshot

MAX_EVENTS = 40
MAX_SAMPLES = 600  # two minutes at five a second


def state(moment: Moment, *, recording: str, quality: int | None) -> dict[str, object]:
    """The numbers beside the picture."""
    receiver, sender, link = moment.receiver, moment.sender, moment.link
    found: dict[str, object] = {
        "recording": recording,
        "quality": sender.quality if sender else quality,
        "psnr_db": _number(sender.psnr_db) if sender else None,
        "effort": sender.effort if sender else None,
        "limit": sender.quality_limitation_reason if sender else None,
        "whole": [sender.width, sender.height] if sender and _smaller(sender) else None,
        "legs": list(LEGS),
    }
    if receiver is not None:
        found |= {
            "stream": receiver.stream,
            "state": receiver.state,
            "width": receiver.width,
            "height": receiver.height,
            "fps": round(receiver.fps, 1),
            "kbps": round(receiver.kbps, 1),
            "frames": receiver.frames_displayed,
            "freezes": receiver.freezes,
            "since_frame_ms": (
                None if receiver.since_frame_us is None else receiver.since_frame_us // 1000
            ),
            "clock_error_ms": (
                None if receiver.clock_error_us is None else receiver.clock_error_us / 1000
            ),
            "refusal": receiver.refusal,
            "keys_trouble": receiver.keys_trouble,
        }
    if link is not None:
        found["link"] = {
            "capacity_kbps": link.capacity_bps / 1000,
            "queue_bytes": link.queue_bytes,
            "delay_ms": link.delay_us / 1000,
        }
    return found


def points(samples: Sequence[Sample], *, quality: int | None = None) -> list[list[float | None]]:
    """One list a sample: seconds, kbps, p50, p95, PSNR, quality, capacity, queue, then the legs.

    Where no picture was shown there is no quality of one: the last is not drawn on as if it were.
    """
    return [
        [
            _number(sample.seconds),
            _number(sample.kbps),
            _number(sample.latency_ms),
            _number(sample.latency_p95_ms),
            _number(sample.psnr_db) if math.isfinite(sample.latency_ms) else None,
            quality if math.isfinite(sample.latency_ms) else None,
            _number(sample.capacity_kbps),
            _number(sample.queue_ms),
            *(_number(sample.legs_ms.get(leg, math.nan)) for leg in LEGS),
        ]
        for sample in samples
    ]


def events(moment: Moment) -> list[dict[str, object]]:
    """The last events of both ends, newest last; ages in seconds, so that clocks do not matter."""
    found: list[tuple[str, StreamEvent]] = []
    if moment.receiver is not None:
        found += [("receiver", event) for event in moment.receiver.events]
    if moment.sender is not None:
        found += [("sender", event) for event in moment.sender.events]
    found.sort(key=lambda item: item[1].at_us)
    return [
        {
            "age_s": round((moment.at_us - event.at_us) / 1e6, 1),
            "who": who,
            "name": event.name,
            "text": event.text,
        }
        for who, event in found[-MAX_EVENTS:]
    ]


def _smaller(sender: SenderSnapshot) -> bool:
    coded = (sender.frame_width, sender.frame_height)
    return coded not in ((sender.width, sender.height), (0, 0))


def _number(value: float | None) -> float | None:
    """JSON knows no NaN."""
    return None if value is None or not math.isfinite(value) else round(value, 3)
