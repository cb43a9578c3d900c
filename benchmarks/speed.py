# SPDX-License-Identifier: Apache-2.0
"""Time of a frame in our codec and its stages, with x264 and JPEG in the same run.

    python -m benchmarks.speed [--device cuda] [--sizes S,M] [--efforts normal,fast]
                               [--resolutions 640x360] [--json FILE]

The material is the built-in scene. Before anything is timed, the exact network is compared with
its plain twin and every decoded frame with the encoder's reference. One thread; processor time of
it on a CPU, so that other load hardly counts, wall time where a GPU works.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Any, ParamSpec, TypeVar, cast

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext

from benchmarks import machine
from benchmarks.stages import DECODE_STAGES, ENCODE_STAGES, StageTimes, watching
from services.media.avframes import from_frame, native_planes
from services.media.scene import Scene
from services.process.huge_pages import start_again
from streamcodec.codec import Codec
from streamcodec.effort import Effort
from streamcodec.errors import ModelError
from streamcodec.frame import Frame, Reference
from streamcodec.metrics import psnr611
from streamcodec.model import untrained
from streamcodec.networks import prior

P = ParamSpec("P")
R = TypeVar("R")
Loader = Callable[[str, str], Codec]

CPU_RESOLUTIONS = "320x180,640x360,1280x720"
CUDA_RESOLUTIONS = "1280x720,1920x1080"
_WARM_UP_FRAMES = 5
_X264_QP = 30
_ANCHOR = "veryfast"  # of x264, for comparison with our times
_JPEG_QUALITY = 80
_QUALITY = 36


@dataclass(slots=True)
class Clock:
    """The clock of the calls, in seconds."""

    now: Callable[[], float] = time.thread_time


_clock = Clock()


@dataclass(frozen=True, slots=True)
class Run:
    """Times of one codec at one resolution, in milliseconds a frame, and its results."""

    codec: str
    resolution: str
    encode_ms: list[float]
    decode_ms: list[float]
    bytes_per_frame: float
    psnr611: float
    encode_stages_ms: dict[str, list[float]]
    decode_stages_ms: dict[str, list[float]]
    keyframe_encode_ms: float | None = None
    keyframe_decode_ms: float | None = None

    def to_json(self) -> dict[str, Any]:
        encode, decode = _percentiles(self.encode_ms), _percentiles(self.decode_ms)
        return {
            "codec": self.codec,
            "resolution": self.resolution,
            "frames": len(self.encode_ms),
            "encode_ms": encode,
            "decode_ms": decode,
            "encode_fps": round(1000 / max(encode["p50"], 1e-3), 1),
            "decode_fps": round(1000 / max(decode["p50"], 1e-3), 1),
            "keyframe_encode_ms": self.keyframe_encode_ms,
            "keyframe_decode_ms": self.keyframe_decode_ms,
            "bytes_per_frame": round(self.bytes_per_frame, 1),
            "psnr611": round(self.psnr611, 2),
            "encode_stages_ms": {k: _percentiles(v) for k, v in self.encode_stages_ms.items()},
            "decode_stages_ms": {k: _percentiles(v) for k, v in self.decode_stages_ms.items()},
        }


def main(arguments: Sequence[str] | None = None, *, load: Loader | None = None) -> int:
    """Run the benchmark; `load` replaces the codec in tests."""
    options = _options(arguments)
    use_clock(time.thread_time if options.device == "cpu" else time.perf_counter)
    cv2.setNumThreads(1)
    av.logging.set_level(av.logging.PANIC)
    if load is None:
        check_exactness()
    codecs = [(load or _load)(size, options.device) for size in options.sizes]
    runs: list[Run] = []
    for width, height in options.resolutions:
        scene = Scene(width, height)
        frames = [scene.frame(n) for n in range(options.frames)]
        for codec in codecs:
            codec.warm_up(width, height)
            for effort in options.efforts:
                trying = codec.trying(effort)
                runs.append(time_ours(trying, frames, options.quality))
                if effort != Effort.NORMAL:
                    continue
                budget_bytes = max(64, int(runs[-1].bytes_per_frame))
                runs.append(time_ours(trying, frames, options.quality, budget_bytes=budget_bytes))
        runs += [time_x264(preset, frames) for preset in (_ANCHOR, "medium")]
        runs.append(time_jpeg(frames))
        print(f"{width}x{height} done", file=sys.stderr, flush=True)
    report = {
        "machine": machine.describe(device=options.device),
        "device": options.device,
        "quality": options.quality,
        "runs": [run.to_json() for run in runs],
    }
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(runs))
    print(ratios(runs))
    return 0


def use_clock(now: Callable[[], float]) -> None:
    """Take all times by this clock, in seconds."""
    _clock.now = now


def check_exactness() -> None:
    """Compare the core's prior with its plain twin; SystemExit when they differ."""
    try:
        arrays = untrained(96)
        prior.check(prior.build(arrays), arrays)
    except ModelError as error:
        raise SystemExit(str(error)) from None


def time_ours(
    codec: Codec, frames: Sequence[Frame], quality: int, *, budget_bytes: int | None = None
) -> Run:
    """Time inter frames at a quality, or at a byte budget as a live stream uses it.

    SystemExit when a decoded frame differs from the encoder's reference.
    """
    asked: dict[str, int] = (
        {"quality": quality} if budget_bytes is None else {"budget_bytes": budget_bytes}
    )
    key, key_encode_ms = _timed(codec.encode, frames[0], quality=quality)
    assert key.packet is not None  # without a budget
    decoded, key_decode_ms = _timed(codec.decode, key.packet)
    ahead, behind = key.reference, decoded.reference
    # Stages are timed in a separate round, so that timing them does not change the totals.
    packets, encode_ms, decode_ms, quality_db = time_round(codec, frames, ahead, behind, asked)
    with watching(ENCODE_STAGES, _clock.now) as encode_stages:
        time_round(codec, frames, ahead, behind, asked, encoding=encode_stages)
    with watching(DECODE_STAGES, _clock.now) as decode_stages:
        time_round(codec, frames, ahead, behind, asked, decoding=decode_stages)
    skip = min(_WARM_UP_FRAMES, len(encode_ms) - 1)
    how = f"q{quality}" if budget_bytes is None else f"{budget_bytes} bytes"
    if codec.effort != Effort.NORMAL:
        how += f" {codec.effort}"
    return Run(
        f"{codec.size} {how}",
        f"{frames[0].width}x{frames[0].height}",
        encode_ms[skip:],
        decode_ms[skip:],
        fmean(packets),
        quality_db,
        {stage: times[skip:] for stage, times in encode_stages.calls_ms.items()},
        {stage: times[skip:] for stage, times in decode_stages.calls_ms.items()},
        round(key_encode_ms, 2),
        round(key_decode_ms, 2),
    )


def time_x264(preset: str, frames: Sequence[Frame]) -> Run:
    """x264, zero latency, one thread, one keyframe, fixed QP: each frame in and out on its own."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = frames[0].width, frames[0].height
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 30)
    encoder.thread_count = 1
    encoder.options = {
        "preset": preset,
        "tune": "zerolatency",
        "qp": str(_X264_QP),
        "x264-params": "keyint=infinite:scenecut=0",
    }
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoder.options = {"flags": "low_delay"}
    encode_ms, decode_ms, sizes, shown = [], [], [], []
    for number, frame in enumerate(frames):
        picture = from_frame(frame)
        picture.pts = number
        packets, spent = _timed(encoder.encode, picture)
        encode_ms.append(spent)
        sizes.append(sum(packet.size for packet in packets))
        pictures, spent = _timed(_decode_all, decoder, packets)
        decode_ms.append(spent)
        shown += pictures
    shown += decoder.decode(None)
    scores = [psnr611(a, native_planes(b)) for a, b in zip(frames, shown, strict=True)]
    name, resolution = f"x264 {preset} qp{_X264_QP}", f"{frames[0].width}x{frames[0].height}"
    skip = min(_WARM_UP_FRAMES, len(frames) - 1)
    return Run(
        name,
        resolution,
        encode_ms[skip:],
        decode_ms[skip:],
        fmean(sizes[1:]),
        fmean(scores),
        {},
        {},
    )


def _decode_all(
    decoder: VideoCodecContext, packets: Sequence[av.Packet[Any]]
) -> list[av.VideoFrame]:
    return [picture for packet in packets for picture in decoder.decode(packet)]


def time_jpeg(frames: Sequence[Frame]) -> Run:
    """Motion JPEG as most programs send it: OpenCV, from and to BGR."""
    encode_ms, decode_ms, sizes, scores = [], [], [], []
    for frame in frames:
        bgr = frame.to_bgr()
        asked = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        (_, data), spent = _timed(cv2.imencode, ".jpg", bgr, asked)
        encode_ms.append(spent)
        sizes.append(len(data))
        back, spent = _timed(cv2.imdecode, data, cv2.IMREAD_COLOR)
        decode_ms.append(spent)
        scores.append(psnr611(frame, Frame.from_bgr(np.asarray(back, np.uint8))))
    resolution = f"{frames[0].width}x{frames[0].height}"
    skip = min(_WARM_UP_FRAMES, len(frames) - 1)
    name = f"JPEG q{_JPEG_QUALITY}"
    return Run(
        name, resolution, encode_ms[skip:], decode_ms[skip:], fmean(sizes), fmean(scores), {}, {}
    )


def table(runs: Sequence[Run]) -> str:
    """A line for each run, then the stages of our codec."""
    lines = [
        f"{'':<34} {'encode p50':>10} {'p95':>8} {'decode p50':>11} {'p95':>8}"
        f" {'bytes':>8} {'PSNR':>6}"
    ]
    for run in runs:
        encode, decode = _percentiles(run.encode_ms), _percentiles(run.decode_ms)
        lines.append(
            f"{run.resolution:<10} {run.codec:<23} {encode['p50']:>8.2f} ms"
            f" {encode['p95']:>5.2f} ms"
            f" {decode['p50']:>8.2f} ms {decode['p95']:>5.2f} ms"
            f" {run.bytes_per_frame:>8.0f} {run.psnr611:>6.2f}"
        )
        for way, stages in (("encode", run.encode_stages_ms), ("decode", run.decode_stages_ms)):
            for stage, times in stages.items():
                spent = _percentiles(times)
                cell = f"{spent['p50']:>8.2f} ms {spent['p95']:>5.2f} ms"
                start = 34 if way == "encode" else 55
                lines.append(f"{f'    {way}: {stage}':<{start}} {cell}")
    return "\n".join(lines)


def ratios(runs: Sequence[Run]) -> str:
    """A line for each run of our codec: its p50 times relative to x264 veryfast's encode."""
    lines = [f"{f'times x264 {_ANCHOR}':<34} {'encode':>10} {'decode':>8}"]
    for run in runs:
        anchors = [
            other
            for other in runs
            if other.resolution == run.resolution and other.codec.startswith(f"x264 {_ANCHOR}")
        ]
        if not run.encode_stages_ms or not anchors:
            continue
        unit = _percentiles(anchors[0].encode_ms)["p50"]
        encode, decode = (_percentiles(t)["p50"] / unit for t in (run.encode_ms, run.decode_ms))
        lines.append(f"{run.resolution:<10} {run.codec:<23} {encode:>10.2f} {decode:>8.2f}")
    return "\n".join(lines)


def time_round(
    codec: Codec,
    frames: Sequence[Frame],
    ahead: Reference | None,
    behind: Reference | None,
    asked: dict[str, int],
    *,
    encoding: StageTimes | None = None,
    decoding: StageTimes | None = None,
) -> tuple[list[int], list[float], list[float], float]:
    """Code all frames after the first; sizes, times and mean PSNR.

    As with the other codecs, a picture is made just before it is encoded, so that it is in the
    processor's cache like a camera's; it is compared after the timing.
    """
    sizes, encode_ms, decode_ms = [], [], []
    pictures: list[tuple[Frame, Frame]] = []  # decoded, and the encoder's own
    for number, frame in enumerate(frames[1:], start=1):
        made = Frame(frame.y.copy(), frame.u.copy(), frame.v.copy())
        if encoding:
            encoding.begin_call()
        encoded, spent = _timed(codec.encode, made, ahead, **asked)
        encode_ms.append(spent)
        if encoding:
            encoding.finish_call(spent)
        if encoded.packet is None or encoded.reference is None:
            raise SystemExit(f"frame {number}: nothing fits {asked}")
        packet = encoded.packet
        if decoding:
            decoding.begin_call()
        (shown, after), spent = _timed(codec.decode, packet, behind)
        decode_ms.append(spent)
        if decoding:
            decoding.finish_call(spent)
        pictures.append((shown, encoded.reference.frame))
        ahead, behind = encoded.reference, after
        sizes.append(len(packet))
    for number, (shown, own) in enumerate(pictures, start=1):
        if not shown.same_pixels(own):
            raise SystemExit(f"frame {number}: the decoded picture differs from the reference")
    scores = [psnr611(a, b) for a, (b, _) in zip(frames[1:], pictures, strict=True)]
    return sizes, encode_ms, decode_ms, fmean(scores)


def _timed(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> tuple[R, float]:
    """Result of a call and its time in milliseconds: see `_clock`."""
    start = _clock.now()
    result = call(*args, **kwargs)
    return result, 1000 * (_clock.now() - start)


def _percentiles(times_ms: Sequence[float]) -> dict[str, float]:
    values = np.percentile(times_ms, (50, 95, 99)) if times_ms else (0.0, 0.0, 0.0)
    return dict(zip(("p50", "p95", "p99"), (round(float(v), 3) for v in values), strict=True))


def _load(size: str, device: str) -> Codec:
    import torch  # noqa: PLC0415  # the exactness check alone does not need it earlier

    torch.set_num_threads(1)
    return Codec.load(size, device=device)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.speed", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--sizes", default="S", help="our sizes: S,M,L (default S)")
    parser.add_argument("--efforts", default="normal,fast", help="default normal,fast")
    parser.add_argument("--resolutions", help=f"default {CPU_RESOLUTIONS}; cuda {CUDA_RESOLUTIONS}")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--quality", type=int, default=_QUALITY, help="of ours, 0 to 63")
    parser.add_argument("--json", help="file for every figure")
    options = parser.parse_args(arguments)
    named = options.resolutions or (
        CUDA_RESOLUTIONS if options.device == "cuda" else CPU_RESOLUTIONS
    )
    try:
        options.resolutions = [
            cast("tuple[int, int]", tuple(map(int, name.split("x", 1))))
            for name in named.split(",")
        ]
    except ValueError:
        parser.error(f"--resolutions {named}: expected WIDTHxHEIGHT,WIDTHxHEIGHT")
    if options.frames < 2:
        parser.error("--frames: at least 2")
    options.sizes = options.sizes.split(",")
    try:
        options.efforts = [Effort(name) for name in options.efforts.split(",")]
    except ValueError:
        parser.error(f"--efforts {options.efforts}: expected some of {', '.join(Effort)}")
    return options


if __name__ == "__main__":
    start_again()  # as the commands do
    raise SystemExit(main())
