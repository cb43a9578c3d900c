# SPDX-License-Identifier: Apache-2.0
"""What the conformance vectors are made of, and how a decoded chain is summed up."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.media.scene import Scene
from streamcodec import Codec, Frame
from streamcodec.frame import Reference
from streamcodec.metrics import psnr_plane
from streamcodec.state import state_of

VECTORS = Path(__file__).parent / "vectors"
INDEX = VECTORS / "index.json"
VECTORS_M = Path(__file__).parent / "vectors_m"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One chain: a keyframe and the inter frames after it, one quality each."""

    name: str
    width: int
    height: int
    qualities: tuple[int, ...]
    kind: str = "scene"


RECIPES = (
    Recipe("smallest", 16, 16, (30, 30, 50)),
    Recipe("odd", 33, 17, (45, 20, 63, 0)),
    Recipe("grey", 64, 48, (34, 34), "grey"),
    Recipe("moving", 112, 80, (40, 28, 30, 29, 31, 28)),
    Recipe("coarse", 160, 96, (12, 2, 0)),
    Recipe("fine", 64, 64, (63, 60, 63)),
    Recipe("noise", 48, 32, (40, 20, 55), "noise"),
)


# Of size M: areas that are corrected and areas that are not, sides that are no multiple of 16.
RECIPES_M = (
    Recipe("moving", 208, 144, (24, 18, 20, 19, 22, 18)),
    Recipe("finer", 208, 144, (30, 26, 28)),
    Recipe("odd", 83, 67, (30, 8, 40)),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One packet of a chain and what decoding it must give."""

    packet: bytes
    symbols: str
    planes: str
    psnr_y_db: float


def pictures(recipe: Recipe) -> list[Frame]:
    """Source frames of a chain."""
    count = len(recipe.qualities)
    if recipe.kind == "noise":
        rng = np.random.default_rng(7)
        half = (recipe.height // 2, recipe.width // 2)
        return [
            Frame(
                rng.integers(0, 256, (recipe.height, recipe.width), np.uint8),
                rng.integers(0, 256, half, np.uint8),
                rng.integers(0, 256, half, np.uint8),
            )
            for _ in range(count)
        ]
    scene = Scene(recipe.width, recipe.height, seed=11)
    frames = [scene.frame(4 * n) for n in range(count)]
    return [Frame.grey(f.y) for f in frames] if recipe.kind == "grey" else frames


def digest_of_planes(frame: Frame) -> str:
    """Digest of the decoded samples: Y, U and V, row by row."""
    state = hashlib.blake2b(digest_size=16)
    for plane in frame.planes:
        state.update(np.ascontiguousarray(plane).tobytes())
    return state.hexdigest()


def digest_of_symbols(reference: Reference) -> str:
    """Digest of what a packet was parsed to, as far as the next one depends on it."""
    state = state_of(reference)
    digest = hashlib.blake2b(digest_size=16)
    for part in (state.counts, state.field, state.memory, state.contexts):
        digest.update(np.ascontiguousarray(part).astype("<i4").tobytes())
    return digest.hexdigest()


def make(codec: Codec, recipe: Recipe) -> list[Step]:
    """Encode a chain, and sum up what the decoder makes of it."""
    steps = []
    held: Reference | None = None
    for frame, quality in zip(pictures(recipe), recipe.qualities, strict=True):
        packet = codec.encode(frame, held, quality=quality).packet
        assert packet is not None
        held = codec.decode(packet, held).reference
        steps.append(
            Step(
                packet,
                digest_of_symbols(held),
                digest_of_planes(held.frame),
                round(psnr_plane(frame.y, held.frame.y), 3),
            )
        )
    return steps


def read(name: str, folder: Path = VECTORS) -> list[Step]:
    """A stored chain."""
    chain = json.loads((folder / INDEX.name).read_text(encoding="utf-8"))["chains"][name]
    return [
        Step(
            (folder / f"{name}.{number}.packet").read_bytes(),
            step["symbols"],
            step["planes"],
            step["psnr_y_db"],
        )
        for number, step in enumerate(chain)
    ]


def model_hash(folder: Path = VECTORS) -> str:
    """The model that the stored vectors were made with."""
    return str(json.loads((folder / INDEX.name).read_text(encoding="utf-8"))["model"])
