# SPDX-License-Identifier: Apache-2.0
"""Bits at equal quality of whole clips, with and without the decoder networks in the loop.

Real packets and references, so later frames are predicted from corrected pictures. Run:
`python -m streamcodec.training.conv.closed_loop M.safetensors FOLDER...` codes the clips and
pictures held out of training.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from streamcodec import pattern
from streamcodec.codec import Codec
from streamcodec.frame import Frame
from streamcodec.training import data
from streamcodec.training.coding import frames_of, is_held_out
from streamcodec.training.conv.measure import psnr_611_db

_QUALITIES = (8, 18, 28, 38)
_PICTURE_QUALITIES = (18, 28, 38, 48)


@dataclass(frozen=True, slots=True)
class Point:
    """A file coded at one quality."""

    bits: int
    psnr_db: float  # 6:1:1, mean over frames


def code(codec: Codec, frames: Sequence[Frame], quality: int) -> Point:
    """Code a clip with one keyframe, or a picture."""
    reference = None
    bits = 0
    db = 0.0
    for number, frame in enumerate(frames):
        own = pattern.quality_at(quality, number) if len(frames) > 1 else quality
        coded = codec.encode(frame, reference, quality=own)
        assert coded.packet is not None
        assert coded.reference is not None
        bits += 8 * len(coded.packet)
        db += psnr_611_db(frame.planes, coded.reference.frame.planes)
        reference = coded.reference
    return Point(bits, db / len(frames))


def bits_change_percent(before: Sequence[Point], after: Sequence[Point]) -> float:
    """Bjontegaard's rate difference over the common PSNR range, in percent."""
    curves = []
    for points in (before, after):
        ordered = sorted(points, key=lambda p: p.psnr_db)
        db = np.array([p.psnr_db for p in ordered])
        curves.append((db, np.polyfit(db, np.log([p.bits for p in ordered]), len(db) - 1)))
    low = max(db[0] for db, _ in curves)
    high = min(db[-1] for db, _ in curves)
    at = np.linspace(low, high, 50)
    first, second = (np.polyval(curve, at) for _, curve in curves)
    return 100 * math.expm1(float(np.mean(second - first)))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="bits with and without the decoder networks")
    parser.add_argument("weights", type=Path)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--encoder", default="auto", help="of the weights: native or dense")
    parser.add_argument("--base", type=Path, help="weights to compare with, S's without")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    ours_codec = Codec.load("M", device="cpu", weights=options.weights, encoder=options.encoder)
    base = (
        Codec.load("S")
        if options.base is None
        else Codec.load("M", device="cpu", weights=options.base)
    )
    found = data.find(options.data)
    held = [p for p in (*found.train, *found.held_out) if is_held_out(p)]
    clips = [p for p in held if p.suffix.lower() in data.CLIPS]
    pictures = [p for p in held if p.suffix.lower() in data.PICTURES]
    lines: list[dict[str, object]] = []
    for kind, paths, most, qualities in (
        ("picture", pictures, options.pictures, _PICTURE_QUALITIES),
        ("clip", clips, options.clips, _QUALITIES),
    ):
        for path in paths[:: max(1, len(paths) // max(1, most))][:most]:
            frames = frames_of(path, 1 if kind == "picture" else options.frames)
            plain = [code(base, frames, q) for q in qualities]
            ours = [code(ours_codec, frames, q) for q in qualities]
            line = {
                "kind": kind,
                "file": path.name,
                "bits_percent": round(bits_change_percent(plain, ours), 3),
                "gain_db": [
                    round(b.psnr_db - a.psnr_db, 3) for a, b in zip(plain, ours, strict=True)
                ],
                "psnr_db": [round(p.psnr_db, 2) for p in plain],
                "bits": [p.bits for p in plain],
            }
            lines.append(line)
            print(json.dumps(line), flush=True)
    for kind in ("picture", "clip"):
        changes = [float(str(x["bits_percent"])) for x in lines if x["kind"] == kind]
        if changes:
            mean = round(float(np.mean(changes)), 3)
            lines.append({"kind": kind, "files": len(changes), "mean_bits_percent": mean})
            print(json.dumps(lines[-1]), flush=True)
    if options.out:
        options.out.write_text("".join(json.dumps(x) + "\n" for x in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
