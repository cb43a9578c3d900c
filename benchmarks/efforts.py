# SPDX-License-Identifier: Apache-2.0
"""The cost of the efforts in bits: BD-rates against `normal` on the camera clips.

python -m benchmarks.efforts --clips DIR [--efforts fast,best] [--frames 40]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.material import load_clips
from benchmarks.points import bd_rate_against
from benchmarks.rd import measure_ours
from streamcodec.codec import Codec
from streamcodec.effort import Effort


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line a clip, and the means."""
    options = _options(arguments)
    qualities = [int(quality) for quality in options.qualities.split(",")]
    codec = Codec.load("S")
    efforts = [Effort.NORMAL, *(Effort(name) for name in options.efforts.split(","))]
    others = efforts[1:]
    rates: dict[Effort, list[float]] = {effort: [] for effort in others}
    print(f"{'':<20}" + "".join(f"{effort:>9}" for effort in others))
    for clip in load_clips(options.clips, frames=options.frames):
        if clip.group != "camera":
            continue
        points = {
            clip.name: {
                str(effort): [
                    measure_ours(codec.trying(effort), clip, quality, with_msssim=False)
                    for quality in qualities
                ]
                for effort in efforts
            }
        }
        cells = ""
        for effort in others:
            rate = bd_rate_against(points, clip.name, Effort.NORMAL, ours=effort)
            if rate is not None:
                rates[effort].append(rate.percent)
            cells += f"{'' if rate is None else f'{rate.percent:+.1f}%':>9}"
        print(f"{clip.name:<20}{cells}", flush=True)
    print(f"{'mean':<20}" + "".join(f"{f'{fmean(of):+.1f}%':>9}" for of in rates.values() if of))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.efforts", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--clips", type=Path, required=True, help="folder of videos")
    parser.add_argument("--efforts", default="fast")
    parser.add_argument("--frames", type=int, default=40, help="first frames of each clip")
    parser.add_argument("--qualities", default="20,28,36,44")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
