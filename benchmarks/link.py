# SPDX-License-Identifier: Apache-2.0
"""A live stream over thin links: delay, freezes, quality and use of the capacity, with targets.

    python -m benchmarks.link --traces DIR --clip CLIP --json docs/benchmarks/link.json
    python -m benchmarks.link --codec model                       # seconds instead of minutes
    python -m benchmarks.link --trace Verizon-LTE-short.up --seconds 60
    python -m benchmarks.link --live proxy --rows const2,step414  # real time, real sockets
    python -m benchmarks.link --live namespaces                   # real TCP of the kernel

Virtual time runs the rate control, a model of TCP and the real codec on the clip (played forwards
and backwards); encoding counts as 10 ms whatever it takes. Every row states what was used. In real
time encoding takes its own time: bounds of delay include 10 ms of it, or the measured median if
that is more, and each row has it and the load of the machine.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks import machine
from benchmarks.link_checks import ENCODE_MS, Check, checks
from benchmarks.link_scenarios import Scenario, scenarios, trace_scenario
from services.emulator.footage import ClipFootage, Footage, ModelFootage
from services.emulator.plot import plot_run
from services.emulator.simulate import SimulationResult, simulate
from services.errors import ServiceError

HEADINGS = (
    "row        capacity   gap  util  frame delay ms   screen outside  signal delay  freezes  "
    "skip %      fps quality  PSNR   SSIM  budget\n"
    "           Mbit/s      ms    %   p50   p95   p99      p95     p95   p50    p95           "
    "all outside"
    "         p50    dB     dB  used %"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario, its result, and the comparison with its targets."""

    scenario: Scenario
    result: SimulationResult
    checks: list[Check]
    backend: str  # "virtual time", "proxy" or "namespaces"
    codec: str
    took_s: float
    load: float  # of the machine, mean over the last minute


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rows asked for; 1 when a target was missed, 3 when an input was wrong."""
    options = _options(arguments)
    if options.live and threading.current_thread() is threading.main_thread():
        # Processes and namespaces must not outlive a terminated run.
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    try:
        rows = _run(options)
    except ServiceError as error:
        print(f"benchmarks.link: {error}", file=sys.stderr)
        return error.exit_code
    missed = [f"{row.scenario.name} {one[0]}" for row in rows for one in row.checks if not one[4]]
    print(f"\n{len(missed)} targets missed" + (": " + ", ".join(missed) if missed else ""))
    over = sum(stream.summary.over_budget for row in rows for stream in row.result.streams)
    print(f"{over} packets above their budget")
    return 1 if missed or over else 0


def _run(options: argparse.Namespace) -> list[Row]:
    chosen = _chosen(options)
    if options.live:
        from benchmarks.link_live import run_live  # noqa: PLC0415  # sockets only where asked for

    rows: list[Row] = []
    print(HEADINGS)
    for scenario in chosen:
        start = time.monotonic()
        if options.live:
            words = ("--tcp", options.tcp) if options.tcp else ()
            result = run_live(
                scenario,
                options.live,
                clip=options.clip,
                codec=options.codec,
                sender_options=words,
            )
            backend = f"{options.live}, {options.tcp}" if options.tcp else options.live
        else:
            footage = [_footage(options, n) for n in range(scenario.options.streams)]
            result = simulate(scenario.profile, scenario.options, footage=footage)
            backend = "virtual time"
        codec = options.codec if options.clip or options.codec == "model" else "model"
        row = Row(
            scenario,
            result,
            checks(scenario, result),
            backend,
            codec,
            round(time.monotonic() - start, 1),
            round(os.getloadavg()[0], 2),
        )
        rows.append(row)
        _print(row)
        if options.json:  # after each row: an interrupted run keeps its rows
            text = json.dumps(_report(rows), indent=1, allow_nan=False)
            options.json.write_text(text + "\n", encoding="utf-8")
        if options.plots:
            options.plots.mkdir(parents=True, exist_ok=True)
            plot_run(
                options.plots / f"link-{scenario.name}.png",
                title=f"{scenario.name}: {scenario.link} ({backend}, codec {codec})",
                samples=result.samples,
                frames=result.streams[0].frames,
            )
    return rows


def _chosen(options: argparse.Namespace) -> list[Scenario]:
    if options.trace:
        chosen = [trace_scenario(options.trace, options.seconds or 60.0)]
    else:
        chosen = scenarios(options.traces)
        if options.live:
            chosen = [scenario for scenario in chosen if scenario.real_time]
        if options.rows:
            wanted = options.rows.split(",")
            unknown = set(wanted) - {scenario.name for scenario in chosen}
            if unknown:
                raise SystemExit(f"unknown rows: {', '.join(sorted(unknown))}")
            chosen = [scenario for scenario in chosen if scenario.name in wanted]
        if options.seconds:
            chosen = [
                replace(one, options=replace(one.options, seconds=options.seconds))
                for one in chosen
            ]
    return chosen


_loaded: dict[str, ClipFootage] = {}


def _footage(options: argparse.Namespace, number: int) -> Footage:
    """The codec is pure, so streams may share it; the model's content differs by stream."""
    if options.codec == "model" or options.clip is None:
        return ModelFootage(seed=1 + number)
    if "clip" not in _loaded:
        _loaded["clip"] = load_clip(options.clip, options.codec)
    return _loaded["clip"]


def load_clip(clip: Path, codec: str) -> ClipFootage:
    """The real codec (or the tests' fake one) on the frames of a clip."""
    from benchmarks.material import load_clips  # noqa: PLC0415  # decoders only where needed
    from streamcodec.codec import Codec  # noqa: PLC0415  # torch only where needed
    from streamcodec.metrics import psnr611, ssim  # noqa: PLC0415  # with the codec

    if codec == "fake":
        from tests.fakes import FakeCodec  # noqa: PLC0415  # a checkout has it

        loaded: Codec = FakeCodec()
    else:
        import torch  # noqa: PLC0415  # only where needed

        # More threads only wait for each other in products this small: six times slower where
        # cores are shared. The product's default is one as well.
        torch.set_num_threads(1)
        loaded = Codec.load(codec, device="cpu")
    frames = next(iter(load_clips(clip.parent, only=clip.stem))).frames
    loaded.warm_up(frames[0].width, frames[0].height)
    return ClipFootage(
        loaded,
        frames,
        psnr=psnr611,
        ssim_db=lambda a, b: -10 * math.log10(max(1e-9, 1 - ssim(a.y, b.y))),
        ssim_every=5,
    )


def _print(row: Row) -> None:
    s = row.result.summary
    d, g = s.frame_delay_ms, s.signal_delay_ms
    print(
        f"{row.scenario.name:10} {s.capacity_mbps:8.2f} {s.longest_gap_ms:5.0f}"
        f" {row.result.utilisation * 100:5.1f} {d.p50:5.0f} {d.p95:5.0f} {d.p99:5.0f}"
        f" {s.screen_delay_ms.p95:8.0f} {s.delay_outside_p95_ms:7.0f}"
        f" {g.p50:5.0f} {g.p95:6.0f} {s.freezes:8d}"
        f" {s.skip_share * 100:5.1f} {s.skip_outside * 100:7.1f} {s.frames_per_second:5.1f}"
        f" {s.quality_p50:7.0f} {s.psnr_db:5.2f} {s.ssim_db:6.2f}"
        f" {s.budget_used_p50 * 100:4.0f} {s.budget_used_p5 * 100:4.0f}"
    )
    for what, value, sign, bound, met in row.checks:
        mark = "ok    " if met else "MISSED"
        print(f"    {mark} {what:12} {value:9.3g} {sign} {bound:g}")
    if row.scenario.options.bulk:
        print(f"    bulk flow {row.result.bulk_mbps:.2f} Mbit/s")
    sys.stdout.flush()


def _report(rows: Sequence[Row]) -> dict[str, object]:
    return {
        "machine": machine.describe(),
        "encode_ms_assumed": ENCODE_MS,
        "rows": [_row_json(row) for row in rows],
    }


def _row_json(row: Row) -> dict[str, object]:
    s = row.result.summary
    fields = {key: plain(value) for key, value in asdict(s).items()}
    return {
        "name": row.scenario.name,
        "link": row.scenario.link,
        "backend": row.backend,
        "codec": row.codec,
        "seconds": row.scenario.options.seconds,
        "took_s": row.took_s,
        "load": row.load,
        "encode_ms": plain(row.result.encode_ms),
        **fields,
        "utilisation": plain(row.result.utilisation),
        "skipped": s.captured - s.sent,
        "jain": plain(row.result.jain),
        "bulk_mbps": plain(row.result.bulk_mbps),
        "reconnects": row.result.streams[0].reconnects,
        "resolution_changes": row.result.streams[0].resolution_changes,
        "streams_mbps": [plain(one.summary.throughput_mbps) for one in row.result.streams],
        "targets": [
            {"what": what, "measured": plain(value), "must": f"{sign} {bound:g}", "met": met}
            for what, value, sign, bound, met in row.checks
        ],
    }


def plain(value: object) -> object:
    """Rounded; None for NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.link", description=__doc__.split("\n")[0])
    parser.add_argument("--traces", type=Path, help="folder with recorded Mahimahi traces")
    parser.add_argument("--trace", type=Path, help="run this one trace instead of the matrix")
    parser.add_argument("--seconds", type=float, help="length of each run")
    parser.add_argument("--clip", type=Path, help="clip to stream; without one: a model codec")
    parser.add_argument("--codec", default="S", help="S, M, L, fake or model")
    parser.add_argument("--rows", help="names of rows, separated by commas")
    parser.add_argument("--live", choices=("proxy", "namespaces"), help="real time over sockets")
    parser.add_argument("--tcp", help="congestion control of the sender's TCP, with --live")
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--plots", type=Path, help="folder for a picture of each row")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
