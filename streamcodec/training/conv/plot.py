# SPDX-License-Identifier: Apache-2.0
"""Learning curves as a picture: `python -m streamcodec.training.conv.plot OUT.png RUN...`."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Measure:
    """The logged quantity of a kind of run: its keys for batches and held-out frames, its label."""

    batches: str
    held_out: str
    label: str


_DECODERS = _Measure("gain_db", "with_moved_db", "decoder networks: PSNR 6:1:1 gained, dB")
_ENCODERS = _Measure("saved_percent", "saved_percent", "encoder networks: bits saved, %")


def plot(runs: list[Path], target: Path) -> Path:
    """Draw each run's gain on its batches and on held-out frames; returns the picture."""
    import matplotlib as mpl  # noqa: PLC0415  (an extra)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    logs = {run.name: _read(run) for run in runs}
    kinds = [
        measure
        for measure in (_DECODERS, _ENCODERS)
        if any(measure.batches in line for log in logs.values() for line in log.values())
    ]
    figure, axes = plt.subplots(1, len(kinds), figsize=(4 + 4 * len(kinds), 4.5), squeeze=False)
    for measure, own in zip(kinds, axes[0], strict=True):
        for name, log in logs.items():
            steps = _points(log, "steps", measure.batches)
            if not steps:
                continue
            (line,) = own.plot(*zip(*steps, strict=True), label=f"{name}, batches", alpha=0.7)
            judged = _points(log, "held_out", measure.held_out)
            if judged:
                label = f"{name}, frames held out"
                own.plot(*zip(*judged, strict=True), "o--", color=line.get_color(), label=label)
        own.set(xlabel="steps", ylabel=measure.label)
        own.axhline(0, color="black", linewidth=0.5)
        own.grid(alpha=0.3)
        own.legend()
    figure.tight_layout()
    figure.savefig(target, dpi=120)
    plt.close(figure)
    return target


def _read(run: Path) -> dict[tuple[str, int], dict[str, float]]:
    """Lines by event and step: steps repeated after a kill count once."""
    lines = [
        json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return {(str(line["event"]), int(line["step"])): line for line in lines}


def _points(
    log: dict[tuple[str, int], dict[str, float]], event: str, name: str
) -> list[tuple[int, float]]:
    return sorted(
        (step, line[name])
        for (happened, step), line in log.items()
        if happened == event and line.get(name) is not None
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="draw learning curves")
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    options = parser.parse_args()
    plot(options.runs, options.out)


if __name__ == "__main__":
    main()
