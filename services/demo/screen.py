# SPDX-License-Identifier: Apache-2.0
"""The live screen in the terminal: figures, a bar for each leg of the latency, curves, events."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from services.measure.history import Moment, Sample
from services.measure.stats import (
    LEGS,
    LatencySummary,
    ReceiverSnapshot,
    SenderSnapshot,
    StreamEvent,
)

_BARS = " ▁▂▃▄▅▆▇█"
_CURVE_WIDTH = 60
_EVENTS = 5
_COLOURS = ("cyan", "blue", "yellow", "red", "green", "magenta", "white")


BOTH = ("sender", "receiver")


def render(
    moment: Moment, samples: Sequence[Sample], *, title: str, roles: Sequence[str] = BOTH
) -> RenderableType:
    """The whole screen for one moment, with the ends that this process knows of."""
    parts: list[RenderableType] = [_figures(moment, roles)]
    if samples:
        parts.append(_curves(samples, with_link=moment.link is not None))
    if moment.receiver is not None and moment.receiver.latency.total.count:
        parts.append(_legs(moment.receiver.latency))
    events = _events(moment)
    if events:
        parts.append(events)
    return Panel(Group(*parts), title=f"streamcodec  {title}", title_align="left", padding=(0, 1))


def sparkline(values: Sequence[float], *, width: int = _CURVE_WIDTH) -> str:
    """The last values as a row of bars from zero to their maximum; blanks where there is none."""
    shown = list(values)[-width:]
    top = max((v for v in shown if math.isfinite(v)), default=0.0) or 1.0
    steps = len(_BARS) - 1
    return "".join(
        _BARS[min(steps, max(1, math.ceil(v / top * steps)))] if math.isfinite(v) else " "
        for v in shown
    )


def plural(count: int, noun: str) -> str:
    """A count with its noun: 1 freeze, 2 freezes."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _figures(moment: Moment, roles: Sequence[str]) -> RenderableType:
    table = Table.grid(padding=(0, 3))
    if moment.sender is not None:
        table.add_row(*_sender_figures(moment.sender))
    elif "sender" in roles:
        table.add_row("sender: starting")
    if moment.receiver is not None:
        table.add_row(*_receiver_figures(moment.receiver))
    elif "receiver" in roles:
        table.add_row("receiver: starting")
    return table


def _sender_figures(sender: SenderSnapshot) -> list[Text]:
    quality = "-" if sender.psnr_db is None else f"{sender.psnr_db:.1f} dB"
    skipped = sum(sender.frames_skipped.values())
    reason = sender.quality_limitation_reason
    return [
        Text("sender", style="bold"),
        Text(_size(sender)),
        Text(f"{sender.fps:.1f} fps"),
        Text(f"{sender.kbps:.0f} kbit/s"),
        Text(f"{quality}, q{sender.quality}"),
        Text(f"{skipped} skipped", style="yellow" if skipped else ""),
        Text("" if reason == "none" else f"limited by {reason}", style="yellow"),
        Text("" if sender.effort in ("", "normal") else f"effort {sender.effort}", style="yellow"),
    ]


def _size(sender: SenderSnapshot) -> str:
    whole = f"{sender.width}x{sender.height}"
    coded = f"{sender.frame_width}x{sender.frame_height}"
    return whole if coded in (whole, "0x0") else f"{coded} of {whole}"


def _receiver_figures(receiver: ReceiverSnapshot) -> list[Text]:
    total = receiver.latency.total.percentiles_ms()
    error_ms = receiver.latency.clock_error_us / 1000
    return [
        Text("receiver", style="bold"),
        Text(receiver.state),
        Text(f"{receiver.fps:.1f} fps"),
        Text(f"{receiver.kbps:.0f} kbit/s"),
        Text(f"{total['p50']:.0f} ms, p95 {total['p95']:.0f} ms (±{error_ms:.1f})"),
        Text(plural(receiver.freezes, "freeze"), style="red" if receiver.freezes else ""),
        Text(f"{receiver.frames_displayed} shown"),
    ]


def _curves(samples: Sequence[Sample], *, with_link: bool) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    rows = [
        ("bit rate", [s.kbps for s in samples], "kbit/s", "cyan"),
        ("latency", [s.latency_ms for s in samples], "ms", "yellow"),
    ]
    if with_link:
        rows.insert(0, ("capacity", [s.capacity_kbps for s in samples], "kbit/s", "green"))
        rows.append(("queue", [s.queue_ms for s in samples], "ms", "red"))
    for name, values, unit, colour in rows:
        last = values[-1]
        text = f"{last:.0f} {unit}" if math.isfinite(last) else "-"
        table.add_row(Text(name), Text(sparkline(values), style=colour), Text(text))
    return table


def _legs(latency: LatencySummary) -> RenderableType:
    """One bar of the mean latency, cut into its legs, with their names and figures below."""
    means = [latency.legs[leg].mean_us / 1000 for leg in LEGS]
    total = sum(means) or 1.0
    bar, legend = Text(), Text()
    for leg, mean_ms, colour in zip(LEGS, means, _COLOURS, strict=True):
        bar.append("█" * round(_CURVE_WIDTH * mean_ms / total), style=colour)
        legend.append("■ ", style=colour)
        legend.append(f"{leg} {mean_ms:.1f}  ")
    return Group(bar, legend)


def _events(moment: Moment) -> RenderableType | None:
    found: list[tuple[str, StreamEvent]] = []
    if moment.sender is not None:
        found += [("sender", event) for event in moment.sender.events]
    if moment.receiver is not None:
        found += [("receiver", event) for event in moment.receiver.events]
    if not found:
        return None
    found.sort(key=lambda pair: pair[1].at_us)
    lines = Text(style="dim")
    for who, event in found[-_EVENTS:]:
        ago_s = max(0.0, (moment.at_us - event.at_us) / 1e6)
        lines.append(f"{ago_s:5.1f} s ago  {who}: {event.name} {event.text}\n")
    lines.rstrip()
    return lines
