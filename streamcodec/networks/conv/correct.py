# SPDX-License-Identifier: Apache-2.0
"""A decoder network's correction of a picture, computed on a device. Integers throughout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec.networks.conv import inputs
from streamcodec.networks.conv.shape import STEPS_Q3, Correction

if TYPE_CHECKING:
    from streamcodec.networks.conv.network import ExecutedNetwork

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
Planes = tuple[U8, U8, U8]

_STEP_BITS = 5  # corrections come in 1/64 step, steps in 1/8 level: a 32nd of the product is 1/16


@dataclass(frozen=True, slots=True, eq=False)
class BlockMaps:
    """The network's inputs from a packet's blocks: arrays (rows, columns)."""

    counts: U8
    modes: U8
    splits: U8


def correction_of(
    network: ExecutedNetwork,
    planes: Planes,
    predicted: Planes | None,
    blocks: BlockMaps,
    quality: int,
) -> Correction:
    """Run the network on a picture (sides multiples of 16, chroma 8), on the network's device.

    `predicted` is the prediction, None in keyframes.
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
    raw = network.run(fine, maps, quality)
    luma, chroma = (int(step) for step in STEPS_Q3[quality])

    def scaled(part: torch.Tensor, side: int, step_q3: int) -> I16:
        levels = (part * step_q3 + (1 << (_STEP_BITS - 1))) >> _STEP_BITS
        return np.asarray(F.pixel_shuffle(levels.to(torch.int16), side)[0, 0].cpu().numpy())

    return (
        scaled(raw[:, :16], 4, luma),
        scaled(raw[:, 16:20], 2, chroma),
        scaled(raw[:, 20:], 2, chroma),
    )
