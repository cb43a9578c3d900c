# SPDX-License-Identifier: Apache-2.0
"""Rate and distortion of our codec and classical ones, with real packets and decoders.

    python -m benchmarks.rd --clips DIR --images DIR --sizes S --anchors all --json rd.json
    python -m benchmarks.rd --quick

Each clip is one keyframe followed by inter frames at one quality; each packet is decoded and
compared with the encoder's reference. BD-rates are over PSNR 6:1:1 within 30 to 42 dB.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

import cv2

from benchmarks import machine
from benchmarks.anchors import Anchor, anchors_named
from benchmarks.cache import AnchorCache, default_path
from benchmarks.material import Clip, Group, load_clips, load_pictures
from benchmarks.points import Point, bd_rate_against, measure
from streamcodec.bitstream import QUALITIES
from streamcodec.codec import Codec
from streamcodec.frame import Frame, Reference
from streamcodec.metrics import psnr611
from streamcodec.pattern import quality_at

Loader = Callable[[str, str], Codec]
Results = dict[str, dict[str, list[Point]]]

QUICK_FRAMES = 20
QUICK_ANCHORS = "mjpeg,x264-ultrafast,x264-veryfast,x264-medium"
_AIM_DB = (29.5, 42.5)  # PSNR at both ends of an automatic set of qualities
_PROBE_FRAMES = 6


class Mismatch(Exception):
    """Our decoder's picture differs from the encoder's reference."""


def main(arguments: Sequence[str] | None = None, *, load: Loader | None = None) -> int:
    """Run the benchmark; `load` replaces the codec in tests."""
    options = _options(arguments)
    cv2.setNumThreads(1)
    load = load or (_load_dense if options.encoder == "dense" else _load)
    clips = list(_material(options))
    say = partial(print, file=sys.stderr, flush=True)
    points: Results = {clip.name: {} for clip in clips}

    cache = AnchorCache(options.cache)
    for clip in clips:
        for anchor in options.anchors:
            if not _applies(anchor, clip):
                continue
            start = time.monotonic()
            points[clip.name][anchor.name] = cache.points(clip, anchor, with_msssim=options.msssim)
            if time.monotonic() - start > 1:
                say(f"{clip.name}: {anchor.name} in {time.monotonic() - start:.0f} s")

    for size in options.sizes:
        job = partial(
            _measure_size,
            load,
            size,
            options.device,
            qualities=options.qualities,
            count=options.points,
            with_msssim=options.msssim,
        )
        for clip, ours in zip(clips, _map(job, clips, jobs=options.jobs), strict=True):
            points[clip.name][size] = ours
            say(f"{clip.name}: {size} " + ", ".join(f"{p.psnr611:.1f} dB" for p in ours))

    report = build_report(clips, points, options.sizes)
    report["machine"] = machine.describe(device=options.device)
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(report))
    return 0


def measure_ours(codec: Codec, clip: Clip, quality: int, *, with_msssim: bool = True) -> Point:
    """Code a clip as one keyframe and inter frames around one quality, decode it, and score it.

    Raises Mismatch when a decoded frame differs from the encoder's reference.
    """
    clock = time.process_time if codec.device == "cpu" else time.perf_counter
    ahead: Reference | None = None
    behind: Reference | None = None
    decoded: list[Frame] = []
    size_bytes, encode_s, decode_s = 0, 0.0, 0.0
    for number, frame in enumerate(clip.frames):
        start = clock()
        wanted = quality_at(quality, number) if len(clip.frames) > 1 else quality
        encoded = codec.encode(frame, ahead, quality=wanted)
        between = clock()
        if encoded.packet is None or encoded.reference is None:
            raise Mismatch(f"{clip.name} frame {number}: no packet at quality {quality}")
        result = codec.decode(encoded.packet, behind)
        decode_s += clock() - between
        encode_s += between - start
        ahead, behind = encoded.reference, result.reference
        if not result.frame.same_pixels(ahead.frame) or behind.digest != ahead.digest:
            raise Mismatch(
                f"{clip.name} frame {number}, quality {quality}: decoded picture differs from "
                "the encoder's reference"
            )
        size_bytes += len(encoded.packet)
        decoded.append(result.frame)
    return measure(
        str(quality),
        originals=clip.frames,
        decoded=decoded,
        size_bytes=size_bytes,
        encode_s=encode_s,
        decode_s=decode_s,
        with_msssim=with_msssim,
    )


def spread_qualities(codec: Codec, frames: Sequence[Frame], count: int) -> list[int]:
    """`count` equally spaced qualities over the range of the BD-rate.

    Chosen by the last of the first few frames: inter frames settle above or below the keyframe.
    """
    start = frames[:_PROBE_FRAMES]

    def quality_db(quality: int) -> float:
        reference: Reference | None = None
        for frame in start:
            reference = codec.encode(frame, reference, quality=quality).reference
        return psnr611(start[-1], reference.frame) if reference else 0.0

    def lowest_reaching(target_db: float) -> int:
        low, high = 0, QUALITIES - 1
        while low < high:
            middle = (low + high) // 2
            if quality_db(middle) >= target_db:
                high = middle
            else:
                low = middle + 1
        return low

    first, last = (lowest_reaching(target_db) for target_db in _AIM_DB)
    return sorted({round(first + (last - first) * k / max(1, count - 1)) for k in range(count)})


def build_report(clips: Sequence[Clip], points: Results, sizes: Sequence[str]) -> dict[str, Any]:
    """Every point and BD-rate as plain data.

    `bd_rate[clip][anchor]` is in percent of the first size against the anchor, or null where the
    curves do not meet; `bd_rate.mean` is over the camera clips where there are any (else
    over all material); `groups` holds the mean of each kind of material. `bd_rate_of[size]` and
    `groups_of[size]` hold the same for every size.
    """
    rates = {size: _bd_rates(clips, points, size) for size in sizes}
    groups = {
        size: {
            group: means
            for group in ("camera", "screen", "pictures")
            if (means := _means(rates[size], [c.name for c in clips if c.group == group]))
        }
        for size in sizes
    }
    for size in sizes:
        everything = _means(rates[size], [clip.name for clip in clips])
        rates[size]["mean"] = {
            # With camera clips, an anchor only for pictures keeps the mean of the pictures.
            anchor: groups[size].get("camera", {}).get(anchor, value)
            for anchor, value in everything.items()
        }
    report: dict[str, Any] = {
        "material": {clip.name: _facts(clip) for clip in clips},
        "points": {
            name: {codec: [p.to_json() for p in curve] for codec, curve in of_clip.items()}
            for name, of_clip in points.items()
        },
        "bd_rate_of": rates,
        "groups_of": groups,
    }
    if sizes:
        report["bd_rate"] = rates[sizes[0]]
        report["groups"] = groups[sizes[0]]
        report["range_db"] = _ranges(clips, points, sizes[0])
    return report


def table(report: dict[str, Any]) -> str:
    """BD-rates of the first size as text: a line a clip, a column an anchor."""
    rates: dict[str, dict[str, float | None]] = report.get("bd_rate", {})
    anchors = list(rates.get("mean", {}))
    if not anchors:
        return "no BD-rates: no anchor and size to compare"
    rows = {name: of for name, of in rates.items() if name != "mean"}
    rows.update({f"mean {group}": of for group, of in report["groups"].items()})
    width = max(map(len, rows))
    lines = [" " * width + "".join(f" {anchor:>15}" for anchor in anchors)]
    for name, of in rows.items():
        cells = (of.get(anchor) for anchor in anchors)
        text = "".join(f" {'-' if cell is None else f'{cell:+.1f}%':>15}" for cell in cells)
        lines.append(f"{name:<{width}}{text}")
    return "\n".join(lines)


def _bd_rates(
    clips: Sequence[Clip], points: Results, size: str
) -> dict[str, dict[str, float | None]]:
    rates: dict[str, dict[str, float | None]] = {}
    for clip in clips:
        others = [codec for codec in points[clip.name] if "-" in codec or codec.islower()]
        rates[clip.name] = {}
        for anchor in others:
            result = bd_rate_against(points, clip.name, anchor, ours=size)
            rates[clip.name][anchor] = None if result is None else round(result.percent, 2)
    return rates


def _means(
    rates: dict[str, dict[str, float | None]], names: Sequence[str]
) -> dict[str, float | None]:
    """Mean by anchor over the clips that can be compared."""
    anchors = dict.fromkeys(chain.from_iterable(rates[name] for name in names))
    values = {
        anchor: [value for name in names if (value := rates[name].get(anchor)) is not None]
        for anchor in anchors
    }
    return {anchor: round(fmean(v), 2) if v else None for anchor, v in values.items()}


def _ranges(
    clips: Sequence[Clip], points: Results, size: str
) -> dict[str, dict[str, tuple[float, float]]]:
    return {
        clip.name: {
            anchor: (round(result.low_db, 2), round(result.high_db, 2))
            for anchor in points[clip.name]
            if anchor != size
            and (result := bd_rate_against(points, clip.name, anchor, ours=size)) is not None
        }
        for clip in clips
    }


def _facts(clip: Clip) -> dict[str, object]:
    first = clip.frames[0]
    return {
        "group": clip.group,
        "width": first.width,
        "height": first.height,
        "frames": len(clip.frames),
        "fps": round(clip.fps, 3),
        "digest": clip.digest,
    }


def _measure_size(
    load: Loader,
    size: str,
    device: str,
    clip: Clip,
    *,
    qualities: list[int] | None,
    count: int,
    with_msssim: bool,
) -> list[Point]:
    codec = _loaded(load, size, device)
    codec.warm_up(clip.frames[0].width, clip.frames[0].height)
    chosen = qualities or spread_qualities(codec, clip.frames, count)
    return [measure_ours(codec, clip, quality, with_msssim=with_msssim) for quality in chosen]


_codecs: dict[tuple[Loader, str, str], Codec] = {}  # one a process: loading is slow


def _loaded(load: Loader, size: str, device: str) -> Codec:
    key = (load, size, device)
    if key not in _codecs:
        _codecs[key] = load(size, device)
    return _codecs[key]


def _load(size: str, device: str) -> Codec:
    import torch  # noqa: PLC0415  # anchors alone need no torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    return Codec.load(size, device=device)


def _load_dense(size: str, device: str) -> Codec:
    import torch  # noqa: PLC0415  # anchors alone need no torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    return Codec.load(size, device=device, encoder="dense")


def _map(
    job: Callable[[Clip], list[Point]], clips: Sequence[Clip], *, jobs: int
) -> Sequence[list[Point]]:
    if jobs == 1:
        return [job(clip) for clip in clips]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(job, clips))


def _applies(anchor: Anchor, clip: Clip) -> bool:
    return anchor.for_pictures if clip.group == "pictures" else anchor.for_clips


def _material(options: argparse.Namespace) -> list[Clip]:
    clips: list[Clip] = []
    if options.clips:
        clips += load_clips(options.clips, frames=options.frames, only=options.only)
    if options.images:
        clips += load_pictures(options.images, only=options.only)
    wanted: Sequence[Group] = options.groups
    return [clip for clip in clips if clip.group in wanted]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    data = Path(os.environ.get("STREAMCODEC_DATA", "../shared/data")) / "eval"
    parser = argparse.ArgumentParser(prog="benchmarks.rd", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--clips", type=Path, help="folder of videos")
    parser.add_argument("--images", type=Path, help="folder of pictures, coded as keyframes")
    parser.add_argument("--only", default="", help="names that contain one of these parts: a,b")
    parser.add_argument("--sizes", default="S", help="our sizes, or none (default S)")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument(
        "--encoder", default="auto", choices=("auto", "dense"), help="dense: torch's (docs/gpu.md)"
    )
    parser.add_argument("--anchors", help="names or families, all, or none (default all)")
    parser.add_argument("--frames", type=int, help="first frames of each clip (default all)")
    parser.add_argument("--qualities", help="of our codec: 8,16,24 (default: spread by itself)")
    parser.add_argument("--points", type=int, help="how many to spread (default 6, quick 5)")
    parser.add_argument("--no-msssim", dest="msssim", action="store_false")
    parser.add_argument("--jobs", type=int, default=1, help="clips of ours measured at once")
    parser.add_argument("--cache", type=Path, default=default_path(), help="anchors' results")
    parser.add_argument("--json", help="file for every point and rate")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"camera clips, {QUICK_FRAMES} frames, x264 and motion JPEG, no MS-SSIM",
    )
    options = parser.parse_args(arguments)
    options.groups = ("camera", "screen", "pictures")
    if options.quick:
        options.groups = ("camera",) if options.images is None else ("camera", "pictures")
        options.clips = options.clips or (None if options.images else data / "video")
        options.frames = options.frames or QUICK_FRAMES
        options.msssim = False
    if options.clips is None and options.images is None:
        options.clips, options.images = data / "video", data / "images"
    options.points = options.points or (5 if options.quick else 6)
    for folder in (options.clips, options.images):
        if folder is not None and not folder.is_dir():
            parser.error(f"{folder} is not a folder")
    options.sizes = [] if options.sizes in ("", "none") else options.sizes.split(",")
    try:
        default_anchors = "jpeg,webp," + QUICK_ANCHORS if options.quick else "all"
        options.anchors = anchors_named(options.anchors or default_anchors)
        options.qualities = (
            [int(q) for q in options.qualities.split(",")] if options.qualities else None
        )
    except ValueError as error:
        parser.error(str(error))
    return options


if __name__ == "__main__":
    raise SystemExit(main())
