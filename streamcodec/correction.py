# SPDX-License-Identifier: Apache-2.0
"""The decoder network as a stage of the bitstream: its levels by area, written and read.

Models of size M and L hold a network for keyframes and one for inter frames. After deblocking and
the loop filter it corrects the picture; each area of 64x64 luma samples with a block in it that
coded something, is new or moved carries a level for luma and one for chroma: nothing, half, all
(docs/bitstream.md). Bits adapt within a frame; nothing of them is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from streamcodec import _core, quantise
from streamcodec import contexts as cx

if TYPE_CHECKING:
    from streamcodec.networks.conv.correct import Blocks as BlocksSaid
    from streamcodec.networks.conv.encoder import EncoderNetwork
    from streamcodec.networks.conv.network import ExecutedNetwork
    from streamcodec.state import Planes

U8 = npt.NDArray[np.uint8]
_OF_KIND = 8  # contexts of luma, then of chroma
_WHICH = 3  # after the three that say whether an area is corrected


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """A model's networks on a device; any may be absent. `encoders` only decide, at the sender."""

    key: ExecutedNetwork | None
    inter: ExecutedNetwork | None
    encoders: tuple[EncoderNetwork | None, EncoderNetwork | None] = (None, None)

    def of(self, key: bool) -> ExecutedNetwork | None:
        """The one for keyframes or for inter frames."""
        return self.key if key else self.inter

    def encoder_of(self, key: bool) -> EncoderNetwork | None:
        """The encoder network for keyframes or for inter frames."""
        return self.encoders[0 if key else 1]


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One frame's correction: what the network says of the picture before it."""

    network: ExecutedNetwork
    quality: int
    blocks: _core.Blocks
    predicted: Planes | None  # before anything coded was added; None in keyframes

    def areas(self) -> npt.NDArray[np.bool_]:
        """(areas down, areas across) that carry a level."""
        from streamcodec.networks.conv.correct import areas_acting  # noqa: PLC0415  (torch)

        return areas_acting(self._told())

    def choose(
        self, source: Planes, planes: Planes, steps_q3: tuple[int, int]
    ) -> tuple[U8, Planes]:
        """Levels (luma or chroma, down, across) that leave the least error, all 0 if none pay, and
        the picture corrected by them."""
        from streamcodec.networks.conv import correct  # noqa: PLC0415

        told = self._told()
        luma, chroma = (quantise.MU * (step / 8) ** 2 for step in steps_q3)
        found = correct.correction_of(self.network, planes, self.predicted, told, self.quality)
        levels = correct.choose(source, planes, found, told, (luma, chroma))
        return levels, correct.corrected(planes, found, told, levels) if levels.any() else planes

    def apply(self, planes: Planes, levels: U8) -> Planes:
        """The corrected picture."""
        from streamcodec.networks.conv import correct  # noqa: PLC0415

        told = self._told()
        found = correct.correction_of(self.network, planes, self.predicted, told, self.quality)
        return correct.corrected(planes, found, told, levels)

    def _told(self) -> BlocksSaid:
        from streamcodec.networks.conv.correct import Blocks  # noqa: PLC0415

        own = self.blocks
        field = None if self.predicted is None else own.field
        return Blocks(own.counts, own.modes, own.splits, field)


def write_levels(writer: _core.Writer, levels: U8, areas: npt.NDArray[np.bool_]) -> None:
    """Append the levels of the areas that carry one, luma first, row by row."""
    contexts = cx.fresh()
    for kind in range(2):
        for down, across in np.argwhere(areas):
            first = _OF_KIND * kind
            around = _around(levels[kind], down, across)
            level = int(levels[kind, down, across])
            writer.single(contexts, first + around, 1 if level else 0)
            if level:
                writer.single(contexts, first + _WHICH + around, level - 1)


def read_levels(reader: _core.Reader, areas: npt.NDArray[np.bool_]) -> U8:
    """What `write_levels` wrote. Raises Damaged."""
    levels = np.zeros((2, *areas.shape), np.uint8)
    contexts = cx.fresh()
    for kind in range(2):
        for down, across in np.argwhere(areas):
            first = _OF_KIND * kind
            around = _around(levels[kind], down, across)
            if reader.single(contexts, first + around):
                levels[kind, down, across] = 1 + reader.single(contexts, first + _WHICH + around)
        if reader.overrun():
            raise _core.Damaged("its corrections")
    return levels


def _around(levels: U8, down: int, across: int) -> int:
    """How many of the areas left and above are corrected."""
    left = across > 0 and levels[down, across - 1] > 0
    above = down > 0 and levels[down - 1, across] > 0
    return int(left) + int(above)
