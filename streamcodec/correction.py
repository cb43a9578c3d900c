# SPDX-License-Identifier: Apache-2.0
"""The decoder network as a stage of the bitstream: its levels by area, chosen, written and read.

Models of size M hold a network for keyframes and one for inter frames. After deblocking and the
loop filter it corrects the picture; each area of 64x64 luma samples with a block in it that coded
something, is new or moved carries a level for luma and one for chroma: nothing, half, all
(docs/bitstream.md). Bits adapt within a frame; nothing of them is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from streamcodec import _core, quantise

if TYPE_CHECKING:
    from streamcodec.networks.conv.encoder import EncoderNetwork
    from streamcodec.networks.conv.shape import Added
    from streamcodec.networks.conv.weights import NetworkWeights
    from streamcodec.state import Planes

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]

AREA_BLOCKS = 4
_LEVELS = 2  # half and all
# Levels cost 0.6 to 1.4 bits an area and kind, the more the fewer areas there are.
_ROOM_BITS = 1.25
_ROOM_LEAST_BITS = 24


class Network(Protocol):
    """A decoder network on a device. Results are equal on all of them."""

    @property
    def weights(self) -> NetworkWeights:
        """Its integers."""
        ...

    def added(
        self,
        planes: Planes,
        predicted: Planes | None,
        blocks: _core.Blocks,
        quality: int,
        *,
        workspace: _core.ConvWorkspace,
        pool: _core.Pool | None,
    ) -> Added:
        """What it would add to each sample of a picture of whole blocks."""
        ...

    def raw(self, fine: I64, maps: I64, quality: int) -> I64:
        """(24, H/4, W/4) in -127..127 of inputs and maps as the twin takes them."""
        ...


@dataclass(frozen=True, slots=True)
class Networks:
    """A model's networks on a device; any may be absent. `encoders` only decide, at the sender."""

    key: Network | None
    inter: Network | None
    encoders: tuple[EncoderNetwork | None, EncoderNetwork | None] = (None, None)

    def of(self, key: bool) -> Network | None:
        """The one for keyframes or for inter frames."""
        return self.key if key else self.inter

    def encoder_of(self, key: bool) -> EncoderNetwork | None:
        """The encoder network for keyframes or for inter frames."""
        return self.encoders[0 if key else 1]


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One frame's correction: what the network says of the picture before it."""

    network: Network
    quality: int
    blocks: _core.Blocks
    predicted: Planes | None  # before anything coded was added; None in keyframes
    workspace: _core.ConvWorkspace = field(default_factory=_core.ConvWorkspace)
    pool: _core.Pool | None = None

    def choose(
        self, source: Planes, planes: Planes, steps_q3: tuple[int, int]
    ) -> tuple[U8, Planes]:
        """Levels (luma or chroma, down, across) of the lowest errors and bits together, and the
        picture corrected by them. All are 0 where they cost more than they bring."""
        luma, chroma = (quantise.MU * (step / 8) ** 2 for step in steps_q3)
        added = self._added(planes)
        areas = areas_acting(self.blocks)
        saved = np.zeros((_LEVELS, 2, *areas.shape), np.int64)
        _core.correction_saves(source, planes, added, self.blocks, saved, self.pool)
        levels = np.zeros((2, *areas.shape), np.uint8)
        _core.choose_levels(saved, areas, (luma, chroma), levels)
        return levels, self._corrected(planes, added, levels) if levels.any() else planes

    def apply(self, planes: Planes, levels: U8) -> Planes:
        """The corrected picture."""
        return self._corrected(planes, self._added(planes), levels)

    def _added(self, planes: Planes) -> Added:
        return self.network.added(
            planes,
            self.predicted,
            self.blocks,
            self.quality,
            workspace=self.workspace,
            pool=self.pool,
        )

    def _corrected(self, planes: Planes, added: Added, levels: U8) -> Planes:
        y, u, v = planes
        after = (y.copy(), u.copy(), v.copy())
        _core.add_correction(after, added, self.blocks, levels, self.pool)
        return after


def areas_acting(blocks: _core.Blocks) -> U8:
    """(areas down, areas across) 1 where a block acts: only these carry a level, others 0."""
    areas = np.zeros((-(-blocks.rows // AREA_BLOCKS), -(-blocks.columns // AREA_BLOCKS)), np.uint8)
    _core.areas_acting(blocks, areas)
    return areas


def room_bytes(areas: U8) -> int:
    """Bytes that a budget keeps for the levels of these areas."""
    acting = int(areas.sum())
    return -(-int(max(2 * acting * _ROOM_BITS, _ROOM_LEAST_BITS)) // 8) if acting else 0


def read_levels(reader: _core.Reader, areas: U8) -> U8:
    """What `_core.write_levels` wrote. Raises Damaged."""
    levels = np.zeros((2, *areas.shape), np.uint8)
    _core.read_levels(reader, areas, levels)
    return levels
