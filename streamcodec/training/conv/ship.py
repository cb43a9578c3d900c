# SPDX-License-Identifier: Apache-2.0
"""Makes the weights file of size M: S's arrays, the decoder networks, and the encoder networks.

Run: `python -m streamcodec.training.conv.ship OUT --key RUN --inter RUN [--coded FOLDER]`, with
`--encoder-key RUN --encoder-inter RUN` for encoder networks; `--base M` starts from a size M.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.numpy
import torch

from streamcodec.networks.conv import native
from streamcodec.networks.conv.encoder import EncoderNetwork, EncoderShape
from streamcodec.networks.conv.shape import Shape
from streamcodec.networks.conv.weights import KINDS, NetworkWeights
from streamcodec.training.coded import shards
from streamcodec.training.conv import measure
from streamcodec.training.conv.export import weights_of
from streamcodec.training.conv.trainable import Trainable

_BANDS = ((0, 15), (16, 31), (32, 47), (48, 63))
_LARGEST_BYTES = 4_200_000


def trained(run: Path) -> tuple[NetworkWeights, int, float]:
    """The averaged weights of a run as integers, its steps and its hours."""
    kept = torch.load(run / "state.pt", weights_only=False)
    plan = kept["plan"]
    network = Trainable(Shape(not plan["key"], plan["body"], plan["blocks"], plan["renderer"]))
    network.load_state_dict(kept["average"])
    return weights_of(network), kept["step"], kept["spent_s"] / 3600


def trained_encoder(run: Path) -> tuple[EncoderNetwork, int, float]:
    """The averaged weights of an encoder network's run, its steps and its hours."""
    kept = torch.load(run / "state.pt", weights_only=False)
    plan = kept["plan"]
    network = EncoderNetwork(EncoderShape(plan["channels"], plan["depth"]))
    network.load_state_dict(kept["average"])
    return network, kept["step"], kept["spent_s"] / 3600


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="make the weights file of size M")
    parser.add_argument("out", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--inter", type=Path)
    parser.add_argument("--encoder-key", type=Path)
    parser.add_argument("--encoder-inter", type=Path)
    parser.add_argument(
        "--base", type=Path, help="weights to start from; default: the shipped size S"
    )
    parser.add_argument("--coded", type=Path)
    parser.add_argument("--frames", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    base = options.base or resources.files("streamcodec.weights") / "s.safetensors"
    arrays: dict[str, npt.NDArray[np.generic]] = dict(safetensors.numpy.load(base.read_bytes()))
    for kind, run in zip(KINDS, (options.key, options.inter), strict=True):
        if run is None:
            continue
        weights, steps, hours = trained(run)
        arrays |= weights.to_arrays(kind)
        executed = native.load(weights)
        print(
            json.dumps(
                {
                    "network": kind,
                    "steps": steps,
                    "hours": round(hours, 3),
                    "execution": executed.execution,
                }
            )
        )
        if options.coded:
            chosen = measure.held_out(shards(options.coded), key=kind == "key", most=options.frames)
            gains = [measure.gain_of(executed, s.frame(e)) for s, e in chosen]
            log_bits_per_db = measure.slopes(shards(options.coded), key=kind == "key")
            for row in measure.table(gains, log_bits_per_db, _BANDS):
                print(
                    json.dumps(
                        {
                            k: round(v, 4) if isinstance(v, float) else v
                            for k, v in asdict(row).items()
                        }
                    )
                )
    for kind, run in zip(KINDS, (options.encoder_key, options.encoder_inter), strict=True):
        if run is not None:
            encoder, steps, hours = trained_encoder(run)
            arrays |= encoder.to_arrays(kind)
            print(json.dumps({"encoder": kind, "steps": steps, "hours": round(hours, 3)}))
    data = safetensors.numpy.save({k: np.ascontiguousarray(v) for k, v in arrays.items()})
    if len(data) > _LARGEST_BYTES:
        raise SystemExit(f"{len(data)} bytes of weights, expected at most {_LARGEST_BYTES}")
    options.out.write_bytes(data)
    print(json.dumps({"file": str(options.out), "bytes": len(data)}))


if __name__ == "__main__":
    main()
