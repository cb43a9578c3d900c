# SPDX-License-Identifier: Apache-2.0
"""Comparison over the same links: this project, imageZMQ, VidGear NetGear, x264 at a fixed rate.

    python -m benchmarks.compare --clip CLIP --traces DIR --json docs/benchmarks/compare.json

All run in real time through the link proxy, one after the other, with sender and receiver in
processes of their own. Delay is from capture to the decoded picture. Needs imagezmq, vidgear,
colorlog and simplejpeg for the first two; a system without its library is skipped and named.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.link import plain
from benchmarks.link_live import ProxyPath, run_live, say, worker
from benchmarks.link_scenarios import Scenario, scenarios
from services.emulator.proxy import SenderSide
from services.emulator.report import FrameRecord, Summary, summarise
from services.errors import ServiceError

SYSTEMS = ("streamcodec", "imagezmq", "netgear", "x264")
_LIBRARIES = {"imagezmq": ("imagezmq",), "netgear": ("vidgear", "colorlog", "simplejpeg")}
ROWS = "const2,step414,vz-lte-up"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One system on one link."""

    system: str
    scenario: Scenario
    summary: Summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every system on every link; 3 when an input was wrong."""
    options = _options(arguments)
    outcomes: list[Outcome] = []
    chosen = [one for one in scenarios(options.traces) if one.name in options.rows.split(",")]
    print(
        "link       system       delay ms p50    p95    p99  signal p95  freezes  frozen s   fps"
        "  PSNR dB SSIM dB"
    )
    try:
        for scenario in chosen:
            timed = replace(
                scenario,
                options=replace(
                    scenario.options, seconds=options.seconds, frames_per_second=options.fps
                ),
            )
            for system in options.systems.split(","):
                absent = [
                    name
                    for name in _LIBRARIES.get(system, ())
                    if not importlib.util.find_spec(name)
                ]
                if absent:
                    print(f"{scenario.name:10} {system:12} left out: needs {', '.join(absent)}")
                    continue
                outcomes.append(Outcome(system, timed, _measure(system, timed, options)))
                _print(outcomes[-1])
    except ServiceError as error:
        print(f"benchmarks.compare: {error}", file=sys.stderr)
        return error.exit_code
    if options.json:
        report = {"machine": machine.describe(), "rows": [_json(one) for one in outcomes]}
        text = json.dumps(report, indent=1, allow_nan=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


def _measure(system: str, scenario: Scenario, options: argparse.Namespace) -> Summary:
    if system == "streamcodec":
        result = run_live(scenario, "proxy", clip=options.clip, codec=options.codec)
        return result.summary
    # NetGear's receiver binds; the other receivers connect.
    side = SenderSide.LISTEN if system == "netgear" else SenderSide.CONNECT
    path = ProxyPath(scenario.profile, side)
    run = scenario.options
    with tempfile.TemporaryDirectory() as folder:
        out = {role: Path(folder) / f"{role}.json" for role in ("sender", "receiver")}

        def command(role: str) -> list[str]:
            url = path.sender_url if role == "sender" else path.receiver_url
            return [
                *(sys.executable, "-m", "benchmarks.compare_peers", system, role),
                *("--url", url, "--clip", str(options.clip), "--seconds", str(run.seconds)),
                *("--fps", str(run.frames_per_second), "--kbps", str(options.kbps)),
                *("--out", str(out[role])),
            ]

        try:
            # NetGear logs a lot when a run ends.
            quiet = system == "netgear"
            with (
                worker(command("sender"), quiet=quiet) as sender,
                worker(command("receiver"), quiet=quiet) as receiver,
            ):
                path.start()
                say(receiver)
                say(sender)
                sender.wait(run.seconds + 60)
                receiver.wait(60)
        finally:
            path.stop()
        seen = {role: json.loads(file.read_text(encoding="utf-8")) for role, file in out.items()}
    return _summary(scenario, path, seen["sender"], seen["receiver"])


def _summary(
    scenario: Scenario, path: ProxyPath, sender: dict[str, Any], receiver: dict[str, Any]
) -> Summary:
    origin_us = path.started_us()
    shown = {one["index"]: one for one in receiver["shown"]}
    sent = {int(index): size for index, size in sender["sent"].items()}
    records = []
    for index, captured_us in enumerate(sender["captured_us"]):
        one = shown.get(index)
        at_us = one["shown_us"] - origin_us if one else None
        records.append(
            FrameRecord(
                index=index,
                captured_us=captured_us - origin_us,
                budget_bytes=None,
                reason="",
                size_bytes=sent.get(index),
                arrived_us=at_us,
                shown_us=at_us,
                psnr_db=one.get("psnr_db") if one else None,
                ssim_db=one.get("ssim_db") if one else None,
            )
        )
    options = scenario.options
    start_us = records[0].captured_us + round(options.warm_up_s * 1e6)
    end_us = records[-1].captured_us - round(options.cool_down_s * 1e6)
    return summarise(
        records,
        interval_us=round(1e6 / options.frames_per_second),
        start_us=start_us,
        end_us=end_us,
        capacity_bytes=path.capacity_bytes(start_us, end_us),
        longest_gap_us=path.longest_gap_us(start_us, end_us),
    )


def _print(one: Outcome) -> None:
    s = one.summary
    d = s.frame_delay_ms
    print(
        f"{one.scenario.name:10} {one.system:12} {d.p50:12.0f} {d.p95:6.0f} {d.p99:6.0f}"
        f" {s.signal_delay_ms.p95:11.0f} {s.freezes:8d} {s.frozen_ms / 1000:9.1f}"
        f" {s.frames_per_second:5.1f} {s.psnr_db:8.2f} {s.ssim_db:7.2f}",
        flush=True,
    )


def _json(one: Outcome) -> dict[str, object]:
    s = one.summary
    return {
        "name": one.scenario.name,
        "link": one.scenario.link,
        "system": one.system,
        "delay_ms": plain(
            {"p50": s.frame_delay_ms.p50, "p95": s.frame_delay_ms.p95, "p99": s.frame_delay_ms.p99}
        ),
        "signal_delay_ms": plain({"p50": s.signal_delay_ms.p50, "p95": s.signal_delay_ms.p95}),
        "freezes": s.freezes,
        "frozen_ms": plain(s.frozen_ms),
        "frames_per_second": plain(s.frames_per_second),
        "psnr_db": plain(s.psnr_db),
        "ssim_db": plain(s.ssim_db),
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.compare")
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--codec", default="S", help="size of our codec")
    parser.add_argument("--traces", type=Path, help="folder with recorded Mahimahi traces")
    parser.add_argument("--rows", default=ROWS)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--kbps", type=int, default=1600, help="of x264")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
