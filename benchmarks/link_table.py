# SPDX-License-Identifier: Apache-2.0
"""Tables of the link benchmarks: reads their JSON, writes Markdown.

python -m benchmarks.link_table docs/benchmarks/link*.json docs/benchmarks/compare.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

LINK_HEADINGS = (
    "row",
    "link",
    "Mbit/s",
    "longest gap ms",
    "used %",
    "frame delay p50 / p95 / p99 ms",
    "on screen p95 ms",
    "p95 outside outages ms",
    "signal delay p50 / p95 ms",
    "freezes",
    "skipped %",
    "skipped outside outages %",
    "fps",
    "quality",
    "PSNR dB",
    "SSIM dB",
    "budget used p50 / p5 %",
    "over budget",
    "encoding ms",
    "load",
    "targets",
)
COMPARE_HEADINGS = (
    "link",
    "system",
    "delay p50 / p95 / p99 ms",
    "signal delay p95 ms",
    "freezes",
    "frozen s",
    "shown fps",
    "PSNR dB",
    "SSIM dB",
)


def main(paths: Sequence[str]) -> int:
    """Print the tables of these files."""
    for path in map(Path, paths):
        report = json.loads(path.read_text(encoding="utf-8"))
        print(f"\n### `{path.name}`\n\n`{report['machine']['command']}`\n")
        rows = report["rows"]
        compared = bool(rows) and "system" in rows[0]
        headings = COMPARE_HEADINGS if compared else LINK_HEADINGS
        print(*_table(headings, map(_compare_cells if compared else _link_cells, rows)), sep="\n")
    return 0


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [headings, ["---"] * len(headings), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _link_cells(row: dict[str, Any]) -> list[str]:
    missed = [f"{one['what']} {one['measured']:.3g}" for one in row["targets"] if not one["met"]]
    live = row["backend"] != "virtual time"  # without load and encoding time there
    met = f"all {len(row['targets'])} met" if row["targets"] else "none set"
    return [
        row["name"],
        row["link"],
        _number(row["capacity_mbps"], 2),
        _number(row["longest_gap_ms"], 0),
        _number(100 * row["utilisation"], 1),
        _spread(row["frame_delay_ms"], "p50", "p95", "p99"),
        _number(row.get("screen_delay_ms", {}).get("p95"), 0),
        _number(row.get("delay_outside_p95_ms"), 0),
        _spread(row["signal_delay_ms"], "p50", "p95"),
        str(row["freezes"]),
        _number(100 * row["skip_share"], 1),
        _number(100 * row["skip_outside"], 1) if row.get("outside") else "-",
        _number(row["frames_per_second"], 1),
        _number(row["quality_p50"], 0),
        _number(row["psnr_db"], 1),
        _number(row["ssim_db"], 1),
        f"{_percent(row['budget_used_p50'])} / {_percent(row['budget_used_p5'])}",
        str(row["over_budget"]),
        _number(row.get("encode_ms") if live else None, 0),
        _number(row.get("load") if live else None, 1),
        "missed: " + ", ".join(missed) if missed else met,
    ]


def _compare_cells(row: dict[str, Any]) -> list[str]:
    return [
        row["name"],
        row["system"],
        _spread(row["delay_ms"], "p50", "p95", "p99"),
        _number(row["signal_delay_ms"]["p95"], 0),
        str(row["freezes"]),
        _number(row["frozen_ms"] / 1000, 1),
        _number(row["frames_per_second"], 1),
        _number(row["psnr_db"], 1),
        _number(row["ssim_db"], 1),
    ]


def _spread(values: dict[str, float | None], *names: str) -> str:
    return " / ".join(_number(values[name], 0) for name in names)


def _percent(value: float | None) -> str:
    return _number(None if value is None else 100 * value, 0)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
