# SPDX-License-Identifier: Apache-2.0
"""A shard of artificial frames: a smooth source, and a decoded picture with an offset."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamcodec.training.coded import Coded, Entry, Planes, Writer


def frame(*, key: bool, held_out: bool, seed: int, rows: int = 5, columns: int = 6) -> Coded:
    """One frame; its decoded planes are the source's with noise and a grid of steps."""
    rng = np.random.default_rng(seed)

    def planes(noise: float) -> Planes:
        found = []
        for side in (16, 8, 8):
            shape = (rows * side, columns * side)
            wave = np.sin(np.arange(shape[0]) / side)[:, None] + np.cos(np.arange(shape[1]) / side)
            grid = (np.arange(shape[0])[:, None] // 4 + np.arange(shape[1]) // 4) % 2
            value = 120 + 40 * wave + noise * (grid - 0.5) + rng.normal(0, 1, shape)
            found.append(np.clip(value, 0, 255).astype(np.uint8))
        return found[0], found[1], found[2]

    source, decoded = planes(0), planes(12)
    errors = [
        float(np.mean((s.astype(float) - d) ** 2)) for s, d in zip(source, decoded, strict=True)
    ]
    maps = [
        rng.integers(low, high, (rows, columns)).astype(np.uint8)
        for low, high in ((0, 5), (0, 4), (0, 82), (0, 2))
    ]
    entry = Entry(
        0,
        rows,
        columns,
        f"{seed}.png",
        held_out,
        key,
        0 if key else 1,
        20,
        1000,
        (errors[0], errors[1], errors[2]),
    )
    return Coded(entry, source, decoded, decoded, None if key else planes(14), *maps)


def shard(folder: Path, *, frames: int = 6) -> None:
    """Write keyframes and inter frames, every third of each held out."""
    writer = Writer(folder, "made-0")
    for number in range(frames):
        for key in (True, False):
            writer.add(frame(key=key, held_out=number % 3 == 2, seed=number))
    writer.close()
