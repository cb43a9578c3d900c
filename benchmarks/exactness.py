# SPDX-License-Identifier: Apache-2.0
"""Compares all implementations of size M's networks on real frames.

    python -m benchmarks.exactness CLIP...

Codes the clips one after the other (one keyframe each), then decodes the packets by each execution
of the decoder networks that runs here, at 1 and at 2 threads, and counts samples that differ from
the encoder's own picture. Exit code 1 where one does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from streamcodec import weights as files
from streamcodec.bitstream import NETWORK, read_header
from streamcodec.codec import Codec
from streamcodec.correction import Networks
from streamcodec.frame import Frame
from streamcodec.model import Model
from streamcodec.networks.conv import native
from streamcodec.networks.conv.executions import MAKERS
from streamcodec.networks.conv.network import ExecutedNetwork
from streamcodec.parallel import Threads
from streamcodec.training.coding import frames_of


@dataclass(frozen=True, slots=True)
class Coded:
    """A packet, and the picture that it must decode to."""

    packet: bytes
    picture: Frame


def code(codec: Codec, paths: Sequence[Path], quality: int, most: int) -> list[Coded]:
    """The first `most` frames of the clips, one after the other, as packets."""
    found: list[Coded] = []
    for path in paths:
        reference = None
        for frame in frames_of(path, most - len(found)):
            encoded = codec.encode(frame, reference, quality=quality)
            assert encoded.packet is not None
            assert encoded.reference is not None
            reference = encoded.reference
            found.append(Coded(encoded.packet, reference.frame))
    return found


def executions(model: Model, device: str) -> dict[str, Networks]:
    """The executions of the decoder networks: the core's, and torch's on the device."""
    key, inter = model.decoder_networks
    assert key is not None
    assert inter is not None
    found = {"core": Networks(native.load(key), native.load(inter))}
    for name in MAKERS:
        try:
            own = [ExecutedNetwork(one, torch.device(device), name) for one in (key, inter)]
            found[f"torch {name} on {device}"] = Networks(own[0], own[1])
        except (RuntimeError, NotImplementedError):
            continue  # not on this device
    return found


def differing(codec: Codec, coded: Sequence[Coded]) -> int:
    """Number of samples that differ from the encoder's."""
    reference, count = None, 0
    for one in coded:
        key = read_header(one.packet).keyframe
        shown, reference = codec.decode(one.packet, None if key else reference)
        count += sum(
            int(np.count_nonzero(a != b))
            for a, b in zip(shown.planes, one.picture.planes, strict=True)
        )
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 1 where a sample differs."""
    parser = argparse.ArgumentParser(description="decodes by every execution of the networks")
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--quality", type=int, default=20)
    parser.add_argument("--device", default="cpu", help="torch's executions run there")
    options = parser.parse_args(arguments)
    model = files.load("M")
    plain = Codec.load("M", device="cpu")
    coded = code(plain, options.clips, options.quality, options.frames)
    acting = sum(read_header(one.packet).stages & NETWORK != 0 for one in coded)
    print(json.dumps({"frames": len(coded), "acting": acting}), flush=True)
    wrong = 0
    for name, networks in executions(model, options.device).items():
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with Threads(threads) as pool:
                codec = Codec(model, size="M", networks=networks).sharing(pool)
                found = differing(codec, coded)
            wrong += found
            line = {"execution": name, "threads": threads, "samples_differing": found}
            print(json.dumps(line), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
