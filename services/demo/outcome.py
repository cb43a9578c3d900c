# SPDX-License-Identifier: Apache-2.0
"""What a demo ends with: figures as one JSON object, lines for people, and the report picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import cv2

from services.demo.messages import KeptFrame
from services.demo.report import Pair, draw
from services.demo.screen import plural
from services.demo.supervisor import Run
from services.errors import SinkError
from services.measure.stats import summary
from services.settings.addresses import masked
from services.settings.config import Settings
from streamcodec.metrics import psnr611

Figures = Mapping[str, Any]  # as printed by --json


def figures(run: Run, settings: Settings, *, link: str | None) -> dict[str, Any] | None:
    """The summary of both ends; None when one of them never reported."""
    if run.sender is None or run.receiver is None:
        return None
    found = summary(run.sender.as_json(), run.receiver.as_json(), seconds=run.seconds)
    if run.psnr_db:
        found["psnr_db"] = round(fmean(run.psnr_db), 2)
    return found | {
        "size": run.size,
        "device": run.device,
        "source": masked(settings.sender.source),
        "link": link,
        "seconds": round(run.seconds, 2),
        "start_s": round(run.start_s, 2),
    }


def lines(found: Figures) -> list[str]:
    """The summary for people."""
    latency = found["latency_ms"]
    legs = ", ".join(f"{name} {leg['p50']:.1f}" for name, leg in found["legs_ms"].items())
    quality = "-" if found["psnr_db"] is None else f"{found['psnr_db']:.1f} dB"
    return [
        f"shown     {found['framesDisplayed']} of {found['framesCaptured']} frames, "
        f"{found['fps']:.1f} a second, {found['width']}x{found['height']}, "
        f"{plural(found['freezeCount'], 'freeze')}",
        f"sent      {found['kbps']:.0f} kbit/s ({found['wireKbps']:.0f} with all headers), "
        f"PSNR {quality}",
        f"latency   p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms, "
        f"p99 {latency['p99']:.0f} ms from capture to display "
        f"(clocks agree to {found['clock_error_ms']:.1f} ms)",
        f"by leg    {legs} ms (medians)",
    ]


def save_report(run: Run, found: Figures, path: Path, *, curves_only: bool = False) -> None:
    """Write the picture of the run, or of its curves alone. Raises SinkError."""
    latency = found["latency_ms"]
    shown = f"{found['framesDisplayed']} of {found['framesCaptured']} frames shown"
    quality = "-" if found["psnr_db"] is None else f"{found['psnr_db']:.1f} dB"
    tiles = [
        (f"{found['fps']:.1f} fps", shown),
        (f"{found['kbps']:.0f} kbit/s", f"{found['bytesSent'] / 1000:.0f} kB sent"),
        (quality, "PSNR 6:1:1"),
        (f"{latency['p50']:.0f} ms", "latency, median"),
        (f"{latency['p95']:.0f} ms", "latency, 95th percentile"),
        (f"{found['freezeCount']}", "freezes"),
    ]
    parts = [
        str(found["source"]),
        f"{found['width']}x{found['height']}",
        f"size {found['size']} on {found['device']}",
        *([f"link {found['link']}"] if found["link"] else []),
        f"{found['seconds']:.0f} s",
    ]
    pair = None if curves_only else best_pair(run)
    picture = draw("live on this machine", "  ·  ".join(parts), tiles, run.history.samples, pair)
    write_png(path, picture)


def write_png(path: Path, picture: Any) -> None:
    """Write a picture as PNG. Raises SinkError with a sentence."""
    done, data = cv2.imencode(".png", picture)
    assert done
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise SinkError(f"{path}: the picture cannot be written ({error.strerror})") from None


def best_pair(run: Run) -> Pair | None:
    """The last frame that both ends kept, if there is one."""
    shown = {frame.sequence: frame for frame in run.shown}
    common = [frame for frame in run.sent if frame.sequence in shown]
    return _pair(common[-1], shown[common[-1].sequence]) if common else None


def _pair(sent: KeptFrame, shown: KeptFrame) -> Pair:
    source, decoded = sent.frame, shown.frame
    quality = psnr611(source, decoded)
    raw = sum(plane.size for plane in source.planes)
    kind = "keyframe" if sent.keyframe else "inter frame"
    return Pair(
        source.to_bgr(),
        decoded.to_bgr(),
        f"Source: {raw:,} bytes as YUV 4:2:0".replace(",", " "),
        f"Decoded: {sent.packet_bytes:,} bytes, {kind}, ".replace(",", " ", 1)
        + f"{quality:.1f} dB, {raw / sent.packet_bytes:.0f} times smaller",
    )
