# SPDX-License-Identifier: Apache-2.0
"""Rewrites the vectors for the shipped weights: `python -m tests.conformance.regenerate`."""

from __future__ import annotations

import json

from streamcodec import Codec
from tests.conformance.material import INDEX, RECIPES, VECTORS, make


def main() -> None:
    codec = Codec.load()
    VECTORS.mkdir(exist_ok=True)
    for old in VECTORS.glob("*.packet"):
        old.unlink()
    chains = {}
    for recipe in RECIPES:
        steps = make(codec, recipe)
        for number, step in enumerate(steps):
            (VECTORS / f"{recipe.name}.{number}.packet").write_bytes(step.packet)
        chains[recipe.name] = [
            {"symbols": s.symbols, "planes": s.planes, "psnr_y_db": s.psnr_y_db} for s in steps
        ]
    index = {"model": codec.model_hash.hex(), "chains": chains}
    INDEX.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    total = sum(path.stat().st_size for path in VECTORS.glob("*.packet"))
    print(f"{sum(map(len, chains.values()))} packets, {total} bytes, model {index['model']}")


if __name__ == "__main__":
    main()
