# SPDX-License-Identifier: Apache-2.0
"""Rewrites the vectors for the shipped weights: `python -m tests.conformance.regenerate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from streamcodec import Codec
from tests.conformance.material import (
    INDEX,
    RECIPES,
    RECIPES_M,
    VECTORS,
    VECTORS_M,
    Recipe,
    make,
)


def main() -> None:
    """Those of size S, or with the argument M those of size M."""
    if sys.argv[1:] == ["M"]:
        write(Codec.load("M", device="cpu"), RECIPES_M, VECTORS_M)
    else:
        write(Codec.load(), RECIPES, VECTORS)


def write(codec: Codec, recipes: Sequence[Recipe], folder: Path) -> None:
    """Code all chains anew."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.packet"):
        old.unlink()
    chains = {}
    for recipe in recipes:
        steps = make(codec, recipe)
        for number, step in enumerate(steps):
            (folder / f"{recipe.name}.{number}.packet").write_bytes(step.packet)
        chains[recipe.name] = [
            {"symbols": s.symbols, "planes": s.planes, "psnr_y_db": s.psnr_y_db} for s in steps
        ]
    index = {"model": codec.model_hash.hex(), "chains": chains}
    (folder / INDEX.name).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    total = sum(path.stat().st_size for path in folder.glob("*.packet"))
    print(f"{sum(map(len, chains.values()))} packets, {total} bytes, model {index['model']}")


if __name__ == "__main__":
    main()
