# SPDX-License-Identifier: Apache-2.0
"""Codes pictures and clips with the present codec, as training data for the networks.

Pictures become keyframes: crops at several scales and qualities. Clips become short chains that
start anywhere in them, coded as a stream. Held-out files are coded whole at fixed qualities, so
that results compare. Run: `python -m streamcodec.training.coding --help`.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np

from streamcodec import pattern
from streamcodec import weights as files
from streamcodec.analysis import padded
from streamcodec.blocks import transform
from streamcodec.codec import Codec
from streamcodec.correction import Networks, Stage
from streamcodec.encoder import FrameEncoder
from streamcodec.frame import MIN_SIDE_PX, Frame
from streamcodec.model import Model
from streamcodec.training import data, pricing
from streamcodec.training.coded import Coded, Entry, Writer

_HELD_OUT_OF_256 = 26  # about a tenth
_CROP_PX = (256, 384)  # height and width of a training crop, at most
_PICTURE_CROPS = 5
_CLIP_CHAINS = 4
_CHAIN_FRAMES = 7
_HELD_QUALITIES = (14, 26, 38, 50)
_HELD_CHAIN_FRAMES = 9


def is_held_out(path: Path) -> bool:
    """True for about a tenth of all pictures, and of all scenes that clips were cut from."""
    name = path.stem
    if path.suffix.lower() in data.CLIPS:
        name = re.sub(r"_\d+$", "", name)
    return hashlib.blake2b(name.encode(), digest_size=1).digest()[0] < _HELD_OUT_OF_256


def picture_frames(
    path: Path, rng: np.random.Generator, *, held_out: bool
) -> Iterator[tuple[Frame, int]]:
    """Keyframes of a picture, each with its quality; of one that is held out, the whole of it."""
    read = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if read is None or min(read.shape[:2]) < MIN_SIDE_PX:
        return
    picture = np.asarray(read, np.uint8)
    if held_out:
        frame = Frame.from_bgr(picture)
        for quality in _HELD_QUALITIES:
            yield frame, quality
        return
    for _ in range(_PICTURE_CROPS):
        scale = float(rng.choice([1.0, 1.0, 0.75, 0.5]))
        if min(picture.shape[:2]) * scale < 128:
            scale = 1.0
        scaled = (
            picture
            if scale == 1.0
            else np.asarray(
                cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA),
                np.uint8,
            )
        )
        y, x, height, width = _window(scaled.shape[0], scaled.shape[1], rng)
        crop = np.ascontiguousarray(scaled[y : y + height, x : x + width])
        yield Frame.from_bgr(crop), int(rng.integers(10, 61))


def _window(height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    h, w = min(height, _CROP_PX[0]), min(width, _CROP_PX[1])
    y, x = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    return y & ~1, x & ~1, h, w


def clip_chains(
    path: Path, rng: np.random.Generator, *, held_out: bool
) -> Iterator[tuple[list[Frame], int]]:
    """Chains of frames from anywhere in a clip, each with its nominal quality."""
    with av.open(str(path)) as container:
        planes = [data.planes_of(frame) for frame in container.decode(video=0)]
    height, width = planes[0][0].shape
    if min(height, width) < MIN_SIDE_PX:
        return
    length = _HELD_CHAIN_FRAMES if held_out else _CHAIN_FRAMES
    for number in range(len(_HELD_QUALITIES) if held_out else _CLIP_CHAINS):
        first = int(rng.integers(0, max(1, len(planes) - length + 1)))
        seen = planes[first : first + length]
        if held_out:
            yield [Frame(*p) for p in seen], _HELD_QUALITIES[number] - 6
            continue
        y, x, h, w = _window(height, width, rng)
        if rng.random() < 0.5:
            seen = seen[::-1]
        yield [data.cut(p, y, x, h, w) for p in seen], int(rng.integers(5, 46))


def frames_of(path: Path, most: int) -> list[Frame]:
    """The first frames of a clip, or a picture."""
    if path.suffix.lower() in data.PICTURES:
        read = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        return [Frame.from_bgr(np.asarray(read, np.uint8))]
    with av.open(str(path)) as container:
        shown = zip(range(most), container.decode(video=0), strict=False)
        return [Frame(*data.planes_of(frame)) for _, frame in shown]


def code(
    model: Model,
    frames: Sequence[Frame],
    nominal: int,
    path: Path,
    *,
    keys_only: bool,
    held_out: bool,
    networks: Networks | None = None,
    priced: bool = False,
) -> Iterator[Coded]:
    """Code a chain as a stream of this nominal quality; yield every frame.

    With `networks` references are corrected pictures; what is yielded is the picture before the
    correction. With `priced` each frame holds the inputs of its quantiser.
    """
    reference = None
    for number, frame in enumerate(frames):
        quality = nominal if keys_only else pattern.quality_at(nominal, number)
        encoder = FrameEncoder(model, frame, reference, keep_unfiltered=True)
        attempt = encoder.at(quality)
        analysis = encoder.analysis_at(quality)
        source = padded(frame.planes)
        errors = tuple(
            float(np.mean((s.astype(np.float32) - d) ** 2))
            for s, d in zip(source, attempt.planes, strict=True)
        )
        blocks = attempt.blocks
        rows, columns = blocks.rows, blocks.columns
        moves = (
            np.abs(blocks.field).reshape(rows, 2, columns, 2, 2).max(axis=(1, 3, 4)) > 0
        ).astype(np.uint8)
        entry = Entry(
            0,
            rows,
            columns,
            path.name,
            held_out,
            reference is None,
            number,
            quality,
            8 * len(attempt.packet),
            (errors[0], errors[1], errors[2]),
            priced,
        )
        assert attempt.unfiltered is not None
        prices = None
        if priced:
            prices = pricing.priced(encoder.first_pass_at(quality), attempt, analysis.prediction)
        yield Coded(
            entry,
            source,
            attempt.planes,
            attempt.unfiltered,
            None if reference is None else analysis.prediction,
            blocks.counts,
            blocks.modes,
            blocks.splits,
            moves,
            prices,
        )
        network = None if networks is None else networks.of(analysis.key)
        if network is not None and number + 1 < len(frames):
            stage = Stage(network, quality, blocks, None if analysis.key else analysis.prediction)
            _, after = stage.choose(source, attempt.planes, transform.plane_steps_q3(quality))
            attempt = replace(attempt, planes=after)
        reference = encoder.reference_after(attempt)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="code training material for the networks")
    parser.add_argument("out", type=Path)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--kind", choices=("pictures", "clips"), required=True)
    parser.add_argument("--skip", type=int, default=0, help="files already done")
    parser.add_argument("--weights", type=Path, help="of size M: its networks correct references")
    parser.add_argument("--round", type=int, default=0, help="draw other crops and chains")
    parser.add_argument("--priced", action="store_true", help="keep the quantisers' inputs")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    model = Codec.load("S").model if options.weights is None else files.load("M", options.weights)
    networks = files.load_networks(model, "cpu") if model.has_networks else None
    found = data.find(options.data)
    kinds = data.PICTURES if options.kind == "pictures" else data.CLIPS
    paths = sorted(p for p in found.train + found.held_out if p.suffix.lower() in kinds)
    # Sorted by a hash, so that each part is a random sample of all sources.
    paths.sort(key=lambda p: zlib.crc32(p.name.encode()))
    del paths[: options.skip]
    name = f"{options.kind}-{options.round}-{options.part}of{options.parts}-{options.skip}"
    writer = Writer(options.out, name)
    for number, path in enumerate(paths[options.part :: options.parts]):
        held_out = is_held_out(path)
        if options.round and held_out:
            continue
        rng = np.random.default_rng([options.round, zlib.crc32(path.name.encode())])
        chains = (
            (([frame], quality) for frame, quality in picture_frames(path, rng, held_out=held_out))
            if options.kind == "pictures"
            else clip_chains(path, rng, held_out=held_out)
        )
        for frames, quality in chains:
            for coded in code(
                model,
                frames,
                quality,
                path,
                keys_only=len(frames) == 1,
                held_out=held_out,
                networks=networks,
                priced=options.priced,
            ):
                if not (coded.entry.held_out and coded.entry.number % 2 and coded.entry.number > 2):
                    writer.add(coded)
        print(number, path.name, flush=True)
    writer.close()


if __name__ == "__main__":
    main()
