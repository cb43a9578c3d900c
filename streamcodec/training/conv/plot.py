# SPDX-License-Identifier: Apache-2.0
"""Learning curves as a picture: `python -m streamcodec.training.conv.plot OUT.png RUN...`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def plot(runs: list[Path], target: Path) -> None:
    """Draw what each run gained on its batches and, gated, on frames held out."""
    import matplotlib as mpl  # noqa: PLC0415  (an extra)

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(8, 4.5))
    for run in runs:
        text = (run / "log.jsonl").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        steps = [x for x in lines if x["event"] == "steps"]
        judged = [x for x in lines if x["event"] == "held_out"]
        (line,) = axes.plot(
            [x["step"] for x in steps], [x["gain_db"] for x in steps], label=f"{run.name}, batches"
        )
        axes.plot(
            [x["step"] for x in judged],
            [x["with_moved_db"] for x in judged],
            "o--",
            color=line.get_color(),
            label=f"{run.name}, frames held out",
        )
    axes.set(xlabel="steps", ylabel="PSNR 6:1:1 gained, dB", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(target, dpi=120)
    plt.close(figure)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="draw learning curves")
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    options = parser.parse_args()
    plot(options.runs, options.out)


if __name__ == "__main__":
    main()
