# SPDX-License-Identifier: Apache-2.0
"""Long chains: quality over hundreds of frames without a keyframe.

    python -m benchmarks.chain --clips DIR --only walkers_static,rollercoaster --frames 300

A clip is played forwards and backwards. The last thirty frames are compared with frames 30 to 59;
the chain is extended beyond `--frames` so that both windows have the same source frames.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from benchmarks.material import Clip, load_clips
from streamcodec.codec import Codec
from streamcodec.frame import Reference
from streamcodec.metrics import psnr611
from streamcodec.pattern import quality_at

_FIRST, _COUNT = 30, 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print one line a clip and quality, or JSON."""
    parser = argparse.ArgumentParser(prog="benchmarks.chain", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--clips", type=Path, required=True, help="folder of videos")
    parser.add_argument("--only", default="", help="names that contain one of these parts: a,b")
    parser.add_argument("--frames", type=int, default=300, help="at least so many (default 300)")
    parser.add_argument("--qualities", default="20,34", help="nominal qualities (default 20,34)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    codec = Codec.load()
    rows = [
        drift(codec, clip, int(quality), options.frames)
        for clip in load_clips(options.clips, only=options.only)
        for quality in options.qualities.split(",")
    ]
    if options.json:
        print(json.dumps({"rows": rows}, indent=1))
    else:
        for row in rows:
            print(
                f"{row['clip']}: quality {row['quality']}, {row['frames']} frames: "
                f"frames 30 to 59 {row['early_db']:.2f} dB, "
                f"last 30 {row['late_db']:.2f} dB ({row['change_db']:+.2f})"
            )
    return 0


def chain_length(clip_frames: int, at_least: int) -> int:
    """The least length whose last window repeats the source frames of the first one."""
    period = max(2 * (clip_frames - 1), 1)
    length = _FIRST + _COUNT
    while length < at_least:
        length += period
    return length


def source_index(number: int, clip_frames: int) -> int:
    """Index of the frame when the clip is played forwards and backwards."""
    period = max(2 * (clip_frames - 1), 1)
    place = number % period
    return place if place < clip_frames else period - place


def drift(codec: Codec, clip: Clip, quality: int, at_least: int) -> dict[str, Any]:
    """Code a chain with one keyframe, its first; PSNR 6:1:1 of both windows."""
    length = chain_length(len(clip.frames), at_least)
    reference: Reference | None = None
    quality_db: list[float] = []
    for number in range(length):
        frame = clip.frames[source_index(number, len(clip.frames))]
        encoded = codec.encode(frame, reference, quality=quality_at(quality, number))
        reference = encoded.reference
        assert reference is not None
        quality_db.append(psnr611(frame, reference.frame))
    early = fmean(quality_db[_FIRST : _FIRST + _COUNT])
    late = fmean(quality_db[-_COUNT:])
    return {
        "clip": clip.name,
        "quality": quality,
        "frames": length,
        "early_db": round(early, 3),
        "late_db": round(late, 3),
        "change_db": round(late - early, 3),
    }


if __name__ == "__main__":
    raise SystemExit(main())
