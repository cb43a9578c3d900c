# SPDX-License-Identifier: Apache-2.0
"""The decoder network as a stage of the bitstream: its levels by area, chosen, written and read.

Models of size M hold a network for keyframes and one for inter frames. It corrects the picture
after deblocking and the loop filter. Each area of 64x64 luma samples with an acting block (one that
coded symbols, is intra or moved) has a level for luma and one for chroma: nothing, half or all of
the correction (docs/bitstream.md). The levels' contexts are reset in each frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from streamcodec import _core, quantise

if TYPE_CHECKING:
    from streamcodec.networks.conv.encoder import EncoderNetwork
    from streamcodec.networks.conv.shape import Correction
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
    """A decoder network on a device. Results are equal on all devices."""

    @property
    def weights(self) -> NetworkWeights:
        """Its integers."""
        ...

    def correction(
        self,
        planes: Planes,
        predicted: Planes | None,
        blocks: _core.Blocks,
        quality: int,
        *,
        workspace: _core.ConvWorkspace,
        pool: _core.Pool | None,
    ) -> Correction:
        """The correction of each sample of a picture of whole blocks."""
        ...

    def raw(self, fine: I64, maps: I64, quality: int) -> I64:
        """(24, H/4, W/4) in -127..127, before scaling, of the twin's inputs and maps."""
        ...


@dataclass(frozen=True, slots=True)
class Networks:
    """A model's networks on a device; any may be absent. Only senders use `encoders`."""

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
    """One frame's correction: chosen by area in an encoder, applied in a decoder."""

    network: Network
    quality: int
    blocks: _core.Blocks
    predicted: Planes | None  # the prediction; None in keyframes
    workspace: _core.ConvWorkspace = field(default_factory=_core.ConvWorkspace)
    pool: _core.Pool | None = None

    def choose(
        self, source: Planes, planes: Planes, steps_q3: tuple[int, int]
    ) -> tuple[U8, Planes]:
        """Levels (luma or chroma, down, across) of least rate-distortion cost, and the corrected
        picture. All levels are 0 where they cost more than they save."""
        luma, chroma = (quantise.MU * (step / 8) ** 2 for step in steps_q3)
        correction = self._correction(planes)
        areas = areas_acting(self.blocks)
        saved = np.zeros((_LEVELS, 2, *areas.shape), np.int64)
        _core.correction_saves(source, planes, correction, self.blocks, saved, self.pool)
        levels = np.zeros((2, *areas.shape), np.uint8)
        _core.choose_levels(saved, areas, (luma, chroma), levels)
        return levels, self._corrected(planes, correction, levels) if levels.any() else planes

    def apply(self, planes: Planes, levels: U8) -> Planes:
        """The corrected picture."""
        return self._corrected(planes, self._correction(planes), levels)

    def _correction(self, planes: Planes) -> Correction:
        return self.network.correction(
            planes,
            self.predicted,
            self.blocks,
            self.quality,
            workspace=self.workspace,
            pool=self.pool,
        )

    def _corrected(self, planes: Planes, correction: Correction, levels: U8) -> Planes:
        y, u, v = planes
        after = (y.copy(), u.copy(), v.copy())
        _core.add_correction(after, correction, self.blocks, levels, self.pool)
        return after


def areas_acting(blocks: _core.Blocks) -> U8:
    """(areas down, areas across) 1 where a block acts, else 0: only acting areas have levels."""
    areas = np.zeros((-(-blocks.rows // AREA_BLOCKS), -(-blocks.columns // AREA_BLOCKS)), np.uint8)
    _core.areas_acting(blocks, areas)
    return areas


def room_bytes(areas: U8) -> int:
    """Bytes that a budget reserves for the levels of these areas."""
    acting = int(areas.sum())
    return -(-int(max(2 * acting * _ROOM_BITS, _ROOM_LEAST_BITS)) // 8) if acting else 0


def read_levels(reader: _core.Reader, areas: U8) -> U8:
    """What `_core.write_levels` wrote. Raises Damaged."""
    levels = np.zeros((2, *areas.shape), np.uint8)
    _core.read_levels(reader, areas, levels)
    return levels
