# SPDX-License-Identifier: Apache-2.0
"""Quality of a smaller picture at the same bytes a frame: the thresholds of adaptation.

    python -m benchmarks.resolution --clips DIR --only mobile,walkers

Each clip is coded at 15 frames per second from a keyframe of six budgets; after eight frames the
picture is measured, scaled back to its full size. One line a budget, one column a step: mean
quality index, PSNR (6:1:1) and SSIM.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch

from benchmarks.material import load_clips
from services.media.scaling import fitted
from services.rate.resolution import Step
from streamcodec.codec import Codec
from streamcodec.frame import Frame, Reference
from streamcodec.metrics import psnr611, ssim

BUDGETS_BYTES = (300, 400, 700, 1000, 1600, 2500)
KEYFRAME_BUDGETS = 6
LEFT_OUT = 8  # frames after the keyframe, until quality is steady
FRAMES = 40


@dataclass(frozen=True, slots=True)
class Point:
    """Means over the frames that fitted."""

    quality: float
    psnr_db: float
    ssim_db: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for each clip."""
    parser = argparse.ArgumentParser(prog="benchmarks.resolution")
    parser.add_argument("--clips", type=Path, required=True, help="folder with videos")
    parser.add_argument("--only", default="", help="parts of their names, separated by commas")
    parser.add_argument("--codec", default="S", help="S, M or L")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    codec = Codec.load(options.codec, device="cpu")
    for clip in load_clips(options.clips, frames=FRAMES, only=options.only):
        frames = clip.frames[::2]
        print(f"\n{clip.name}, {frames[0].width}x{frames[0].height}\n")
        print("| bytes a frame | " + " | ".join(step.name.lower() for step in Step) + " |")
        print("| --- " * (1 + len(Step)) + "|")
        for budget in BUDGETS_BYTES:
            cells = (_cell(measure(codec, frames, step, budget)) for step in Step)
            print(f"| {budget} | " + " | ".join(cells) + " |", flush=True)
    return 0


def measure(codec: Codec, frames: Sequence[Frame], step: Step, budget_bytes: int) -> Point | None:
    """Code the frames at one step and budget; None when nothing fits."""
    whole = frames[0]
    reference: Reference | None = None
    points: list[Point] = []
    for number, frame in enumerate(frames):
        smaller = fitted(frame, *step.size(whole.width, whole.height))
        allowed = budget_bytes if reference else KEYFRAME_BUDGETS * budget_bytes
        encoded = codec.encode(smaller, reference, budget_bytes=allowed)
        if encoded.reference is None:
            if reference is None:
                return None
            continue
        reference = encoded.reference
        if number >= LEFT_OUT:
            shown = fitted(reference.frame, whole.width, whole.height)
            similarity = ssim(frame.y, shown.y)
            ssim_db = -10 * math.log10(max(1e-9, 1 - similarity))
            points.append(Point(encoded.quality, psnr611(frame, shown), ssim_db))
    if not points:
        return None
    return Point(
        fmean(point.quality for point in points),
        fmean(point.psnr_db for point in points),
        fmean(point.ssim_db for point in points),
    )


def _cell(point: Point | None) -> str:
    if point is None:
        return "nothing fits"
    return f"q{point.quality:.0f}, {point.psnr_db:.1f} dB, {point.ssim_db:.1f} dB"


if __name__ == "__main__":
    sys.exit(main())
