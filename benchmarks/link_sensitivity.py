# SPDX-License-Identifier: Apache-2.0
"""Sensitivity of the rate control: one constant changed at a time, in virtual time.

    python -m benchmarks.link_sensitivity --traces DIR > docs/benchmarks/link-sensitivity.md

Runs with the model of the codec. Each cell: utilisation in percent, p95 and p99 of the frame delay
in milliseconds; beside a bulk flow also the worst two seconds in kbit/s, for two streams Jain's
index. Differences below two points or ten milliseconds are noise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.link_checks import worst_rate_kbps
from benchmarks.link_scenarios import Scenario, scenarios
from services.emulator.simulate import simulate
from services.rate.tuning import Tuning

ROWS = (
    *("const2", "step414", "vz-lte-up", "att-drive", "umts", "loss1", "jitter20"),
    *("hold5s", "thin150k", "two", "bulk"),
)
VARIATIONS: dict[str, tuple[float, ...]] = {
    "link_share": (0.85, 1.0),
    "drain": (0.25, 1.5),
    "window_frames": (4, 24),
    "fast_frames": (1, 12),
    "growth": (1.04, 1.3),
    "blind_growth": (1.0, 1.12),
    "carried_share": (0.0, 0.5),
    "saved_periods": (1.0, 5.0),
    "stall_us": (150_000, 2_000_000),
    "resume_share": (0.1, 1.0),
    "yield_floor": (0.4, 1.0),
    "yield_after_us": (0, 20_000),
    "yield_span_us": (50_000, 300_000),
    "rival_us": (10_000, 10_000_000),
    "rival_slack_us": (0, 120_000),
    "slack_us": (1_000, 20_000),
    "floor_bytes_per_s": (4_000, 30_000),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(prog="benchmarks.link_sensitivity")
    parser.add_argument("--traces", type=Path, help="folder with recorded Mahimahi traces")
    parser.add_argument("--only", help="names of constants, separated by commas")
    options = parser.parse_args(arguments)
    chosen = [one for one in scenarios(options.traces) if one.name in ROWS]
    wanted = options.only.split(",") if options.only else list(VARIATIONS)
    print("| constant | " + " | ".join(one.name for one in chosen) + " |")
    print("| --- " * (len(chosen) + 1) + "|")
    _print("as shipped", chosen, Tuning())
    for name in wanted:
        for value in VARIATIONS[name]:
            tuning = replace(Tuning(), **{name: type(getattr(Tuning(), name))(value)})
            _print(f"{name} {value:g}", chosen, tuning)
    return 0


def _print(label: str, chosen: Sequence[Scenario], tuning: Tuning) -> None:
    cells = [_cell(one, tuning) for one in chosen]
    print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


def _cell(scenario: Scenario, tuning: Tuning) -> str:
    result = simulate(scenario.profile, replace(scenario.options, tuning=tuning))
    delay = result.summary.frame_delay_ms
    cell = f"{result.utilisation * 100:.0f}, {delay.p95:.0f}/{delay.p99:.0f}"
    if scenario.options.bulk:
        cell += f", {worst_rate_kbps(result, 2.0):.0f}"
    if scenario.options.streams > 1:
        cell += f", {result.jain:.2f}"
    return cell


if __name__ == "__main__":
    sys.exit(main())
