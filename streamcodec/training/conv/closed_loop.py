# SPDX-License-Identifier: Apache-2.0
"""Codes whole clips with and without the decoder networks in the loop: the figure that decides.

References are the corrected pictures, so every later frame is predicted from them. Levels are paid
for by their entropy. Run: `python -m streamcodec.training.conv.closed_loop M.safetensors FOLDER...`
judges by the clips and pictures held out of training.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import safetensors.numpy
import torch

from streamcodec import pattern
from streamcodec.analysis import padded
from streamcodec.blocks import transform
from streamcodec.codec import Codec
from streamcodec.encoder import FrameEncoder
from streamcodec.frame import Frame
from streamcodec.model import Model
from streamcodec.networks.conv import network as networks
from streamcodec.networks.conv.correct import (
    Blocks,
    areas_acting,
    bits_of,
    choose,
    corrected,
    correction_of,
)
from streamcodec.networks.conv.network import ExecutedNetwork
from streamcodec.networks.conv.weights import KINDS, NetworkWeights
from streamcodec.training import data
from streamcodec.training.coding import frames_of, is_held_out
from streamcodec.training.conv.measure import psnr_611_db

_QUALITIES = (8, 18, 28, 38)
_PICTURE_QUALITIES = (18, 28, 38, 48)
_MU = 0.1

Networks = dict[str, ExecutedNetwork]


@dataclass(frozen=True, slots=True)
class Point:
    """A file coded at one quality."""

    bits: float
    psnr_db: float  # 6:1:1, mean over frames
    acting: float  # mean share of areas corrected


def code(
    model: Model,
    frames: Sequence[Frame],
    quality: int,
    used: Networks,
    *,
    coded_only: bool = False,
) -> Point:
    """Code a clip with one keyframe; networks of the kinds in `used` correct its pictures.

    `coded_only`: not where a block moved without coding anything.
    """
    reference = None
    bits = db = acting = 0.0
    for number, frame in enumerate(frames):
        kind = KINDS[min(number, 1)]
        encoder = FrameEncoder(model, frame, reference)
        attempt = encoder.at(pattern.quality_at(quality, number) if len(frames) > 1 else quality)
        bits += 8 * len(attempt.packet)
        source = padded(frame.planes)
        if kind in used:
            own = attempt.blocks
            field = None if number == 0 or coded_only else own.field
            blocks = Blocks(own.counts, own.modes, own.splits, field)
            predicted = (
                None if number == 0 else encoder._look(attempt.quality).prediction
            )  # until it is shown
            correction = correction_of(
                used[kind], attempt.planes, predicted, blocks, attempt.quality
            )
            steps = transform.plane_steps_q3(attempt.quality)
            luma, chroma = (_MU * (step / 8) ** 2 for step in steps)
            levels = choose(source, attempt.planes, correction, blocks, (luma, chroma))
            after = corrected(attempt.planes, correction, blocks, levels)
            bits += bits_of(levels, areas_acting(blocks)) if levels.any() else 1.0
            acting += float((levels > 0).mean())
            attempt = replace(attempt, planes=after)
        db += psnr_611_db(source, attempt.planes)
        reference = encoder.reference_after(attempt)
    return Point(bits, db / len(frames), acting / len(frames))


def bits_change_percent(before: Sequence[Point], after: Sequence[Point]) -> float:
    """Bjontegaard's rate difference: mean over the PSNR range that both have, in percent."""
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


def loaded(path: Path) -> Networks:
    """The decoder networks of a weights file, on the CPU."""
    arrays = safetensors.numpy.load(path.read_bytes())
    found = {kind: NetworkWeights.from_arrays(arrays, kind) for kind in KINDS}
    return {
        kind: networks.load(weights, torch.device("cpu"))
        for kind, weights in found.items()
        if weights is not None
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="bits with and without the decoder networks")
    parser.add_argument("weights", type=Path)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--coded-only", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    used = loaded(options.weights)
    model = Codec.load("S").model
    found = data.find(options.data)
    held = [p for p in (*found.train, *found.held_out) if is_held_out(p)]
    clips = [p for p in held if p.suffix.lower() in data.CLIPS]
    pictures = [p for p in held if p.suffix.lower() in data.PICTURES]
    lines: list[dict[str, object]] = []
    for kind, paths, most, qualities in (
        ("picture", pictures, options.pictures, _PICTURE_QUALITIES),
        ("clip", clips, options.clips, _QUALITIES),
    ):
        for path in paths[:: max(1, len(paths) // most)][:most]:
            frames = frames_of(path, 1 if kind == "picture" else options.frames)
            plain = [code(model, frames, q, {}) for q in qualities]
            ours = [code(model, frames, q, used, coded_only=options.coded_only) for q in qualities]
            line = {
                "kind": kind,
                "file": path.name,
                "bits_percent": round(bits_change_percent(plain, ours), 3),
                "gain_db": [
                    round(b.psnr_db - a.psnr_db, 3) for a, b in zip(plain, ours, strict=True)
                ],
                "psnr_db": [round(p.psnr_db, 2) for p in plain],
                "bits": [int(p.bits) for p in plain],
                "acting": [round(p.acting, 2) for p in ours],
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
