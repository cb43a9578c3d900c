# SPDX-License-Identifier: Apache-2.0
"""One prepared run on a large GPU: exactness, times, and training for the remaining time.

    python -m streamcodec.training.conv.gpu_run CODED OUT --minutes 9 [--key RUN] [--inter RUN]

CODED is a folder of shards (`python -m streamcodec.training.coding`), RUN a run to continue. OUT
gets report.json and the runs: whether corrections and whole streams are equal on the device and on
the processor, ms of each stage of encode and decode, steps trained. `--device cpu --small` does the
same on a processor, in small.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from streamcodec import _core
from streamcodec import weights as files
from streamcodec.networks.conv import encoder, inputs, native
from streamcodec.networks.conv import network as networks
from streamcodec.networks.conv.correct import BlockMaps, Planes, correction_of
from streamcodec.networks.conv.network import ExecutedNetwork
from streamcodec.networks.conv.shape import Shape
from streamcodec.networks.conv.weights import NetworkWeights
from streamcodec.training.coded import shards
from streamcodec.training.conv import gpu_stream
from streamcodec.training.conv.correction import Plan, Run
from streamcodec.training.conv.export import weights_of
from streamcodec.training.conv.ship import trained
from streamcodec.training.conv.trainable import Trainable

_REPEATS = 20


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the run; `SMALL` is for a test."""

    exact_frames: int
    stream: tuple[int, int]  # (height, width) of the frames that are coded and decoded
    timed_frames: int
    pictures: tuple[tuple[int, int], ...]  # (height, width)
    crops: int
    body: int
    blocks: int


LARGE = Sizes(300, (180, 320), 20, ((720, 1280), (1088, 1920)), 256, 64, 3)
SMALL = Sizes(2, (50, 70), 3, ((64, 96),), 2, 8, 1)


def start_weights(sizes: Sizes, run: Path | None, *, predicted: bool) -> NetworkWeights:
    """A run's weights, or random ones: times and exactness do not depend on them."""
    if run is not None:
        return trained(run)[0]
    torch.manual_seed(7)
    network = Trainable(Shape(predicted, sizes.body, sizes.blocks))
    torch.nn.init.normal_(network.get_parameter("layers.last.weight"), std=0.05)
    return weights_of(network)


def exactness(
    weights: NetworkWeights, coded: Path, device: torch.device, frames: int, *, key: bool
) -> dict[str, object]:
    """Corrections of coded frames, on the device and on the CPU: equal digests?"""
    at_home = native.load(weights)
    there = networks.load(weights, device)
    workspace = _core.ConvWorkspace()
    every = [(s, e) for s in shards(coded) for e in s.entries if e.key == key]
    digests = [hashlib.blake2b(digest_size=8) for _ in range(2)]
    wrong = 0
    for shard, entry in every[:: max(1, len(every) // frames)][:frames]:
        frame = shard.frame(entry)
        blocks = _core.Blocks(entry.rows, entry.columns)
        blocks.counts[:], blocks.modes[:], blocks.splits[:] = (
            frame.counts,
            frame.modes,
            frame.splits,
        )
        found = [
            n.correction(
                frame.decoded,
                frame.predicted,
                blocks,
                entry.quality,
                workspace=workspace,
                pool=None,
            )
            for n in (at_home, there)
        ]
        for digest, planes in zip(digests, found, strict=True):
            for plane in planes:
                digest.update(np.ascontiguousarray(plane).tobytes())
        wrong += any(not np.array_equal(a, b) for a, b in zip(*found, strict=True))
    return {
        "frames": min(frames, len(every)),
        "wrong": wrong,
        "digests": [d.hexdigest() for d in digests],
        "executions": [at_home.execution, there.execution],
    }


def times(network: ExecutedNetwork, height: int, width: int) -> dict[str, float]:
    """Median ms of each stage of a correction, and of the strong encoder network."""
    device = network.device
    rng = np.random.default_rng(1)
    planes: Planes = (
        rng.integers(0, 256, (height, width)).astype(np.uint8),
        rng.integers(0, 256, (height // 2, width // 2)).astype(np.uint8),
        rng.integers(0, 256, (height // 2, width // 2)).astype(np.uint8),
    )
    predicted = planes if network.weights.shape.predicted else None
    shape = (height // 16, width // 16)
    blocks = BlockMaps(
        np.ones(shape, np.uint8), np.zeros(shape, np.uint8), np.ones(shape, np.uint8)
    )

    def upload() -> inputs.Planes:
        y, u, v = (torch.from_numpy(p).to(device).to(torch.int32)[None, None] for p in planes)
        return y, u, v

    there = upload()
    q = torch.tensor([30])
    fine = inputs.at_quarter(there, there if predicted is not None else None, q)
    maps = inputs.maps(
        *(
            torch.from_numpy(a)[None].to(device)
            for a in (blocks.counts, blocks.modes, blocks.splits)
        )
    )
    strong = encoder.EncoderNetwork(encoder.STRONG).to(device)
    half = torch.float16 if device.type == "cuda" else torch.bfloat16
    source = there[0].float(), there[1].float(), there[2].float()

    def encode() -> object:
        with torch.inference_mode(), torch.autocast(device.type, dtype=half):
            return strong(source, source, q.to(device))

    return {
        "upload_ms": _ms(upload, device),
        "inputs_ms": _ms(
            lambda: inputs.at_quarter(there, there if predicted is not None else None, q), device
        ),
        "network_ms": _ms(lambda: network.run(fine, maps, 30), device),
        "whole_ms": _ms(lambda: correction_of(network, planes, predicted, blocks, 30), device),
        "encoder_network_ms": _ms(encode, device),
    }


def _ms(work: Callable[[], object], device: torch.device) -> float:
    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    taken = []
    for _ in range(_REPEATS if device.type == "cuda" else 3):
        wait()
        begun = time.perf_counter()
        work()
        wait()
        taken.append(1000 * (time.perf_counter() - begun))
    return round(statistics.median(taken), 3)


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="exactness, times, and training on a GPU")
    parser.add_argument("coded", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--inter", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    device = torch.device(options.device)
    sizes = SMALL if options.small else LARGE
    report: dict[str, object] = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else str(device)
    }

    def keep() -> None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")

    for kind, run in (("key", options.key), ("inter", options.inter)):
        key = kind == "key"
        weights = start_weights(sizes, run, predicted=not key)
        report[f"exact.{kind}"] = exactness(
            weights, options.coded, device, sizes.exact_frames, key=key
        )
        network = networks.load(weights, device)
        for height, width in sizes.pictures:
            report[f"times.{kind}.{width}x{height}"] = times(network, height, width)
        keep()
    _streams(report, sizes, device)
    keep()
    left_s = 60 * options.minutes - (time.monotonic() - begun)
    for number, (kind, run) in enumerate((("inter", options.inter), ("key", options.key))):
        folder = options.out / kind
        if run is not None and not folder.exists():
            shutil.copytree(run, folder)
        minutes = left_s / 60 / 2
        report[f"training.{kind}"] = _train(folder, options.coded, sizes, device, kind, minutes)
        left_s = 2 * (60 * options.minutes - (time.monotonic() - begun)) if number == 0 else 0
        keep()
    print(json.dumps(report, indent=1))


def _streams(report: dict[str, object], sizes: Sizes, device: torch.device) -> None:
    """Whole frames with the shipped weights of size M, on the device and here."""
    model = files.load("M")
    home, dense = gpu_stream.codecs(
        model, files.load_networks(model, "cpu"), files.load_networks(model, str(device)), device
    )
    height, width = sizes.stream
    frames = gpu_stream.moving(height, width, sizes.exact_frames)
    report["exact.stream"] = gpu_stream.exactness(home, dense, frames)
    for height, width in sizes.pictures:
        taken = gpu_stream.times(dense, height, width, sizes.timed_frames)
        for kind, of in taken.items():
            report[f"{kind}.{width}x{height}"] = of


def _train(  # noqa: PLR0917  # one private caller
    folder: Path, coded: Path, sizes: Sizes, device: torch.device, kind: str, minutes: float
) -> dict[str, object]:
    plan = Plan(
        kind == "key",
        steps=10**9,
        decay_from=10**9,
        exact_from=10**9,
        crops=sizes.crops,
        crop_blocks=8 if sizes is LARGE else 3,
        body=sizes.body,
        blocks=sizes.blocks,
        judge_every=10**9,
    )
    run = Run(folder, plan, coded, refresh=True, device=device)
    first = run.step
    # The last quarter is for the shipped integers, at a falling rate.
    for part, exact in ((0.7, False), (0.3, True)):
        ends = time.monotonic() + 60 * minutes * part
        begins = time.monotonic()
        run.plan = replace(plan, exact_from=0) if exact else plan
        while time.monotonic() < ends:
            left = (ends - time.monotonic()) / (ends - begins)
            run.one_step(rate_scale=left if exact else 1.0)
    run.save()
    return {"steps": run.step - first, "crops": plan.crops}


if __name__ == "__main__":
    main()
