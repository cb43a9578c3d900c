# SPDX-License-Identifier: Apache-2.0
"""Gain of the shipped integers on held-out frames: dB, and the equivalent change of bits.

As in the codec: exact network, areas chosen by true distortion, levels at their entropy. Frames are
measured one by one; gains of later frames from better references are not included.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamcodec import _core
from streamcodec.blocks import transform
from streamcodec.correction import Network, Stage, areas_acting
from streamcodec.training.coded import U8, Coded, Entry, Planes, Shard

_WEIGHTS = (6 / 8, 1 / 8, 1 / 8)


@dataclass(frozen=True, slots=True)
class Gain:
    """A frame's gain. `psnr_db` is PSNR 6:1:1 without the network."""

    entry: Entry
    psnr_db: float
    gain_db: float
    flag_bits: float
    acting: float  # share of areas with a level that is not 0


def psnr_611_db(a: Planes, b: Planes) -> float:
    """6:1:1 mean of the planes' PSNR."""
    total = 0.0
    for weight, x, y in zip(_WEIGHTS, a, b, strict=True):
        error = float(np.mean((x.astype(np.float32) - y) ** 2))
        total += weight * 10 * math.log10(255**2 / max(error, 1e-3))
    return total


def gain_of(network: Network, frame: Coded) -> Gain:
    """What the network gains on a frame."""
    entry = frame.entry
    blocks = _core.Blocks(entry.rows, entry.columns)
    blocks.counts[:], blocks.modes[:], blocks.splits[:] = frame.counts, frame.modes, frame.splits
    if not entry.key:
        # A shard has which blocks moved, not their vectors: any vector does.
        blocks.field[:] = np.repeat(np.repeat(frame.moves, 2, 0), 2, 1)[:, :, None]
    stage = Stage(network, entry.quality, blocks, frame.predicted)
    steps_q3 = transform.plane_steps_q3(entry.quality)
    levels, after = stage.choose(frame.source, frame.decoded, steps_q3)
    before_db = psnr_611_db(frame.source, frame.decoded)
    return Gain(
        entry,
        before_db,
        psnr_611_db(frame.source, after) - before_db,
        _bits_of(levels, blocks),
        float((levels > 0).mean()),
    )


def _bits_of(levels: U8, blocks: _core.Blocks) -> float:
    if not levels.any():
        return 0.0
    alone = _core.Writer()
    _core.write_levels(alone, areas_acting(blocks), levels)
    return 8.0 * len(alone.encode())


def slopes(found: Sequence[Shard], *, key: bool) -> dict[str, float]:
    """Change of log bits for one dB more of each held-out file, from its qualities."""
    every = [e for s in found for e in s.entries if e.held_out and e.key == key]
    result = {}
    for name in sorted({e.file for e in every}):
        own = [e for e in every if e.file == name]
        points = []
        for quality in sorted({e.quality // 6 for e in own}):
            same = [e for e in own if e.quality // 6 == quality]
            bits = float(np.mean([e.bits for e in same]))
            points.append((float(np.mean([_psnr_db(e.errors) for e in same])), math.log(bits)))
        if len(points) > 1 and points[-1][0] - points[0][0] > 1:
            db, bits_log = np.array(points).T
            result[name] = float(np.polyfit(db, bits_log, 1)[0])
    return result


def _psnr_db(errors: Sequence[float]) -> float:
    return sum(
        w * 10 * math.log10(255**2 / max(e, 1e-3)) for w, e in zip(_WEIGHTS, errors, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Row:
    """Means over frames of about one quality."""

    name: str
    frames: int
    psnr_db: float
    gain_db: float
    acting: float
    bits_percent: float  # estimated; negative is fewer


def table(
    gains: Sequence[Gain], log_bits_per_db: Mapping[str, float], bands: Iterable[tuple[int, int]]
) -> list[Row]:
    """One row for each band of qualities, and one for all; `log_bits_per_db` is from `slopes`."""
    median = float(np.median(list(log_bits_per_db.values()))) if log_bits_per_db else math.nan
    rows = []
    for first, last in [*bands, (0, 63)]:
        own = [g for g in gains if first <= g.entry.quality <= last]
        if not own:
            continue
        saved = float(np.mean([g.gain_db * log_bits_per_db.get(g.entry.file, median) for g in own]))
        flags = sum(g.flag_bits for g in own) / sum(g.entry.bits for g in own)
        rows.append(
            Row(
                f"{first} to {last}",
                len(own),
                float(np.mean([g.psnr_db for g in own])),
                float(np.mean([g.gain_db for g in own])),
                float(np.mean([g.acting for g in own])),
                100 * (flags - saved),
            )
        )
    return rows


def held_out(found: Sequence[Shard], *, key: bool, most: int) -> list[tuple[Shard, Entry]]:
    """At most `most` held-out frames, drawn with a fixed seed."""
    every = [(s, e) for s in found for e in s.entries if e.held_out and e.key == key]
    order = np.random.default_rng(0).permutation(len(every))
    return [every[n] for n in np.sort(order[:most])]
