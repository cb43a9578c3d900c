# SPDX-License-Identifier: Apache-2.0
"""Time of our encode and decode relative to x264 veryfast's encode: `python -m benchmarks.ratios`.

On a shared machine speed changes within seconds. So x264 and ours alternate on short
pieces of the built-in scene, and the median and quartiles of the pieces' ratios are
printed. Processor time of one thread; everything else is as in `benchmarks.speed`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from statistics import median, quantiles

import cv2

from benchmarks import speed
from services.media.scene import Scene
from services.process.huge_pages import start_again
from streamcodec.codec import Codec
from streamcodec.frame import Frame

_PIECE_FRAMES = 13  # a keyframe, and enough for a median
_PIECES = 4
_SETTLING = 3  # frames of a piece that are not counted


def turns(
    codecs: dict[str, Codec], frames: Sequence[Frame], *, quality: int, count: int
) -> dict[str, list[tuple[float, float]]]:
    """Encode and decode of each codec over x264's encode, a pair a turn."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in codecs}
    for turn in range(count):
        begin = turn % _PIECES * (_PIECE_FRAMES - 1)
        piece = frames[begin : begin + _PIECE_FRAMES]
        unit_ms = median(speed.time_x264("veryfast", piece).encode_ms)
        for name, codec in codecs.items():
            key = codec.encode(piece[0], quality=quality)
            assert key.packet is not None
            behind = codec.decode(key.packet).reference
            _, encode_ms, decode_ms, _ = speed.time_round(
                codec, piece, key.reference, behind, {"quality": quality}
            )
            pair = (median(encode_ms[_SETTLING:]), median(decode_ms[_SETTLING:]))
            found[name].append((pair[0] / unit_ms, pair[1] / unit_ms))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: one JSON line an effort."""
    parser = argparse.ArgumentParser(description="times of ours over x264 veryfast's, in turns")
    parser.add_argument("--resolution", default="640x360")
    parser.add_argument("--quality", type=int, default=36)
    parser.add_argument("--turns", type=int, default=16)
    options = parser.parse_args(arguments)
    speed.use_clock(time.thread_time)
    cv2.setNumThreads(1)
    width, height = (int(side) for side in options.resolution.split("x"))
    scene = Scene(width, height)
    frames = [scene.frame(n) for n in range(_PIECES * (_PIECE_FRAMES - 1) + 1)]
    codec = Codec.load("S")
    codec.warm_up(width, height)
    codecs = {effort: codec.trying(effort) for effort in ("normal", "fast")}
    for name, pairs in turns(codecs, frames, quality=options.quality, count=options.turns).items():
        line: dict[str, object] = {"effort": name, "turns": len(pairs)}
        for what, values in zip(("encode", "decode"), zip(*pairs, strict=True), strict=True):
            low, middle, high = quantiles(values, n=4)
            line[what] = round(middle, 2)
            line[f"{what}_quartiles"] = [round(low, 2), round(high, 2)]
        print(json.dumps(line))
    return 0


if __name__ == "__main__":
    start_again()  # as the commands do
    raise SystemExit(main())
