# SPDX-License-Identifier: Apache-2.0
"""The gain of each network of size M, with real packets: `python -m benchmarks.ablation PATH...`.

Codes clips with one keyframe, and pictures, at four qualities: without networks (size S), with the
decoder networks, with the encoder networks, with both; `--dense`: and each with the dense encoder
(docs/gpu.md), on the processor. Prints bits at equal PSNR 6:1:1 against S (Bjontegaard;
negative: fewer), and milliseconds of one core a frame, a line a file and the means.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from streamcodec import pattern
from streamcodec import weights as files
from streamcodec.codec import Codec
from streamcodec.correction import Networks
from streamcodec.frame import Frame
from streamcodec.training import data
from streamcodec.training.coding import frames_of, is_held_out
from streamcodec.training.conv.closed_loop import Point, bits_change_percent
from streamcodec.training.conv.measure import psnr_611_db

QUALITIES = (8, 18, 28, 38)
PICTURE_QUALITIES = (18, 28, 38, 48)


@dataclass(frozen=True, slots=True)
class Coded:
    """A file coded at one quality, and processor time a frame."""

    point: Point
    encode_ms: float
    decode_ms: float


def variants(weights: Path | None, *, dense: bool = False) -> dict[str, Codec]:
    """Codecs that differ only in their networks, and with `dense` also in their encoder.

    Encoder networks may be absent.
    """
    model = files.load("M", weights)
    whole = files.load_networks(model, "cpu")
    found: dict[str, Networks | None] = {
        "S": None,
        "decoder networks": Networks(whole.key, whole.inter),
    }
    if any(whole.encoders):
        found["encoder networks"] = Networks(None, None, whole.encoders)
        found["both"] = whole
    codecs = {name: Codec(model, size="M", networks=own) for name, own in found.items()}
    if dense:
        device = files.load_dense(model, "cpu")
        codecs |= {
            f"dense, {name}": Codec(model, size="M", networks=own, dense=device)
            for name, own in found.items()
        }
    return codecs


def code(codec: Codec, frames: Sequence[Frame], quality: int) -> Coded:
    """Code and decode a clip with one keyframe, or a picture."""
    held = reference = None
    bits, db, encode_s, decode_s = 0, 0.0, 0.0, 0.0
    for number, frame in enumerate(frames):
        own = pattern.quality_at(quality, number) if len(frames) > 1 else quality
        begun = time.process_time()
        encoded = codec.encode(frame, reference, quality=own)
        coded = time.process_time()
        assert encoded.packet is not None
        assert encoded.reference is not None
        shown, held = codec.decode(encoded.packet, held)
        encode_s += coded - begun
        decode_s += time.process_time() - coded
        assert shown.same_pixels(encoded.reference.frame)
        reference = encoded.reference
        bits += 8 * len(encoded.packet)
        db += psnr_611_db(frame.planes, shown.planes)
    count = len(frames)
    return Coded(Point(bits, db / count), 1000 * encode_s / count, 1000 * decode_s / count)


def found_below(paths: Sequence[Path], *, held_out: bool) -> Iterator[Path]:
    """Pictures and clips, also of folders; with `held_out` only those held out."""
    for path in paths:
        for one in sorted(path.rglob("*")) if path.is_dir() else [path]:
            known = one.suffix.lower() in data.PICTURES | data.CLIPS
            if known and (is_held_out(one) or not held_out):
                yield one


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="what each network of size M brings")
    parser.add_argument("paths", type=Path, nargs="+", help="clips, pictures, or folders of them")
    parser.add_argument("--weights", type=Path, help="of size M; the shipped ones")
    parser.add_argument("--held-out", action="store_true", help="only files held out of training")
    parser.add_argument("--dense", action="store_true", help="by the encoder of a GPU, too")
    parser.add_argument("--frames", type=int, default=24, help="of a clip")
    parser.add_argument("--most", type=int, default=12, help="clips, and as many pictures")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    codecs = variants(options.weights, dense=options.dense)
    every = list(found_below(options.paths, held_out=options.held_out))
    lines: list[dict[str, object]] = []

    def say(line: dict[str, object]) -> None:
        lines.append(line)
        print(json.dumps(line), flush=True)

    for kind, own, qualities in (
        ("clip", data.CLIPS, QUALITIES),
        ("picture", data.PICTURES, PICTURE_QUALITIES),
    ):
        paths = [p for p in every if p.suffix.lower() in own]
        means: dict[str, list[list[float]]] = {name: [] for name in codecs}
        for path in paths[:: max(1, len(paths) // options.most)][: options.most]:
            frames = frames_of(path, options.frames if kind == "clip" else 1)
            base: list[Point] = []
            for name, codec in codecs.items():
                coded = [code(codec, frames, q) for q in qualities]
                points = [c.point for c in coded]
                base = base or points
                figures = [
                    round(bits_change_percent(base, points), 3),
                    round(float(np.mean([c.encode_ms for c in coded])), 2),
                    round(float(np.mean([c.decode_ms for c in coded])), 2),
                ]
                means[name].append(figures)
                say({"kind": kind, "file": path.name, "with": name, **_named(figures)})
        for name, rows in means.items():
            if rows:
                mean = [round(float(x), 3) for x in np.mean(rows, axis=0)]
                say({"kind": kind, "files": len(rows), "with": name, **_named(mean)})
    if options.out:
        options.out.write_text("".join(json.dumps(x) + "\n" for x in lines), encoding="utf-8")


def _named(figures: Sequence[float]) -> dict[str, object]:
    names = ("bits_percent", "encode_ms", "decode_ms")
    return dict(zip(names, figures, strict=True))


if __name__ == "__main__":
    main()
