# SPDX-License-Identifier: Apache-2.0
"""The decoder network as a stage of the picture: what it adds, where, and how the encoder chooses.

It comes after deblocking and the loop filter. For each area of 4x4 blocks, luma and chroma apart,
the packet says whether nothing, half or all of the correction is added; blocks that stand still and
code nothing are never touched. Everything that a decoder runs is integer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec.networks.conv import inputs
from streamcodec.networks.conv.inputs import STEPS_Q3
from streamcodec.networks.conv.network import ExecutedNetwork

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
Bools = npt.NDArray[np.bool_]
Planes = tuple[U8, U8, U8]

AREA_BLOCKS = 4
LEVELS = 3  # nothing, half, all
_STEP_BITS = 5  # corrections come in 1/64 step, steps in 1/8 level: a 32nd of the product is 1/16


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """What the bitstream says of blocks: arrays (rows, columns), `field` (2 rows, 2 columns, 2).

    `counts`, `modes`, `splits` and `field` are those of a packet; `field` is None in keyframes.
    """

    counts: U8
    modes: U8
    splits: U8
    field: I16 | None = None

    def acting(self) -> Bools:
        """Blocks that coded something, are new, or moved: only these are corrected."""
        acting = (self.counts > 0) | (self.modes >= 2)
        if self.field is not None:
            rows, columns = self.counts.shape
            vectors = self.field.reshape(rows, 2, columns, 2, 2)
            acting |= (vectors != 0).any(axis=(1, 3, 4))
        return np.asarray(acting)


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """Planes of int16 in 1/16 grey level, as large as the picture's."""

    planes: tuple[I16, I16, I16]


def correction_of(
    network: ExecutedNetwork,
    planes: Planes,
    predicted: Planes | None,
    blocks: Blocks,
    quality: int,
) -> Correction:
    """Run the network on a picture (sides multiples of 16, chroma 8), on the network's device.

    `predicted` is the picture before anything coded was added, None in keyframes.
    """
    device = network.device

    def moved(array: U8) -> torch.Tensor:
        return torch.from_numpy(np.require(array, None, ["C", "W"])).to(device).to(torch.int32)

    def picture(three: Planes) -> inputs.Planes:
        y, u, v = (moved(plane)[None, None] for plane in three)
        return y, u, v

    fine = inputs.at_quarter(
        picture(planes),
        picture(predicted) if predicted is not None else None,
        torch.tensor([quality]),
    )
    maps = inputs.maps(
        moved(blocks.counts)[None], moved(blocks.modes)[None], moved(blocks.splits)[None]
    )
    raw = network.correction(fine, maps, quality)
    luma, chroma = (int(step) for step in STEPS_Q3[quality])

    def scaled(part: torch.Tensor, side: int, step_q3: int) -> I16:
        levels = (part * step_q3 + (1 << (_STEP_BITS - 1))) >> _STEP_BITS
        return np.asarray(F.pixel_shuffle(levels.to(torch.int16), side)[0, 0].cpu().numpy())

    return Correction(
        (
            scaled(raw[:, :16], 4, luma),
            scaled(raw[:, 16:20], 2, chroma),
            scaled(raw[:, 20:], 2, chroma),
        )
    )


def no_levels(rows: int, columns: int) -> U8:
    """Levels (luma or chroma, areas down, areas across) that add nothing."""
    return np.zeros((2, -(-rows // AREA_BLOCKS), -(-columns // AREA_BLOCKS)), np.uint8)


def corrected(planes: Planes, correction: Correction, blocks: Blocks, levels: U8) -> Planes:
    """New planes with each area's share of the correction added."""
    acting = blocks.acting()
    found = []
    for number, (plane, added) in enumerate(zip(planes, correction.planes, strict=True)):
        by_block = _spread(levels[min(number, 1)], acting.shape) * acting
        found.append(_added(plane, added, _samples(by_block, 8 if number else 16)))
    return found[0], found[1], found[2]


def areas_acting(blocks: Blocks) -> Bools:
    """(areas down, areas across) where anything can be corrected: only these carry a level."""
    acting = blocks.acting()
    rows = np.arange(0, acting.shape[0], AREA_BLOCKS)
    columns = np.arange(0, acting.shape[1], AREA_BLOCKS)
    return np.asarray(np.logical_or.reduceat(np.logical_or.reduceat(acting, rows, 0), columns, 1))


def bits_of(levels: U8, areas: Bools) -> float:
    """About what levels cost: the zero-order entropy of luma's and of chroma's."""
    total = 0.0
    for kind in range(2):
        counts = np.bincount(levels[kind][areas], minlength=LEVELS).astype(np.float64) + 1 / 3
        total -= float((counts * np.log2(counts / counts.sum())).sum())
    return total


def choose(
    source: Planes,
    planes: Planes,
    correction: Correction,
    blocks: Blocks,
    worth: tuple[float, float],
) -> U8:
    """Levels that leave the least squared error; a level other than 0 must gain more than `worth`.

    `worth` is what a bit is worth, in squared errors of luma and of chroma. So no area ends farther
    from the source than it was, and where all levels together cost more than they gain, all are 0.
    """
    levels = no_levels(*blocks.counts.shape)
    acting = blocks.acting()
    saved = np.zeros((2, LEVELS - 1, *levels.shape[1:]), np.int64)
    for number, (wanted, plane, added) in enumerate(
        zip(source, planes, correction.planes, strict=True)
    ):
        side = 8 if number else 16
        mask = _samples(acting.astype(np.uint8), side)
        before = _squares(wanted, plane)
        for level in range(1, LEVELS):
            now = _squares(wanted, _added(plane, added, mask * level))
            saved[min(number, 1), level - 1] += _area_sums(before - now, side * AREA_BLOCKS)
    gained = 0.0  # in bits
    for kind in range(2):
        best = saved[kind].argmax(0)
        gain = np.take_along_axis(saved[kind], best[None], 0)[0]
        levels[kind] = np.where(gain > worth[kind], best + 1, 0)
        gained += float(gain[levels[kind] > 0].sum()) / max(worth[kind], 1e-9)
    return levels if gained > bits_of(levels, areas_acting(blocks)) else np.zeros_like(levels)


def _spread(areas: U8, shape: tuple[int, ...]) -> U8:
    return np.asarray(_samples(areas, AREA_BLOCKS)[: shape[0], : shape[1]])


def _samples(blocks: U8, side: int) -> U8:
    return np.repeat(np.repeat(blocks, side, 0), side, 1)


def _added(plane: U8, added: I16, levels: U8) -> U8:
    # Level 2 is all of it: base in 1/32, half a step to round.
    value = (32 * plane.astype(np.int32) + added * levels.astype(np.int32) + 16) >> 5
    return np.asarray(np.clip(value, 0, 255), np.uint8)


def _squares(a: U8, b: U8) -> npt.NDArray[np.int32]:
    miss = a.astype(np.int32) - b
    return miss * miss


def _area_sums(values: npt.NDArray[np.int32], side: int) -> npt.NDArray[np.int64]:
    rows = np.arange(0, values.shape[0], side)
    columns = np.arange(0, values.shape[1], side)
    return np.add.reduceat(np.add.reduceat(values.astype(np.int64), rows, axis=0), columns, axis=1)
