# SPDX-License-Identifier: Apache-2.0
"""What a reference carries besides its picture: the codec's memory of earlier frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamcodec import _core
from streamcodec.bitstream import digest_after
from streamcodec.blocks import layout
from streamcodec.frame import Frame, Reference
from streamcodec.model import Model

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
U16 = npt.NDArray[np.uint16]
Planes = tuple[U8, U8, U8]


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceState:
    """Decoder memory after a frame. Immutable.

    `planes` have sides of multiples of 16 (chroma 8); `field` holds the vectors of the 8x8 blocks;
    `counts` how many symbol groups each block coded; `memory` (blocks, 384) the magnitudes for the
    next frame's prior; `contexts` the adaptive contexts of inter frames. `tables` (blocks, 384)
    coded the symbols; only an encoder of effort `fast` keeps them, to price the next symbols.
    """

    planes: Planes
    field: I16
    counts: U8
    memory: U8
    contexts: U16
    quality: int
    tables: U8 | None = None

    @classmethod
    def none(cls, model: Model, rows: int, columns: int, quality: int) -> ReferenceState:
        """The state that a keyframe starts from."""
        empty = np.zeros((0, 0), np.uint8)
        return cls(
            (empty, empty, empty),
            np.zeros((2 * rows, 2 * columns, 2), np.int16),
            np.zeros((rows, columns), np.uint8),
            np.zeros((rows * columns, layout.CHANNELS), np.uint8),
            model.contexts[0],
            quality,
        )

    def moved(self, blocks: _core.Blocks) -> tuple[U8, U8]:
        """Memory and counts, moved with each block's vector."""
        memory = np.empty_like(self.memory)
        counts = np.empty_like(self.counts)
        _core.move_memory(blocks, self.memory, self.counts, memory, counts)
        return memory, counts


def state_of(reference: Reference) -> ReferenceState:
    """The codec's part of a reference."""
    assert isinstance(reference.state, ReferenceState), "a reference made by another codec"
    return reference.state


def reference_after(
    packet: bytes,
    start: bytes,
    *,
    width: int,
    height: int,
    quality: int,
    planes: Planes,
    blocks: _core.Blocks,
    symbols: I16,
    moved: U8,
    contexts: U16,
    tables: U8 | None = None,
) -> Reference:
    """The reference that a packet leads to; `start` is the digest it started from, or b""."""
    memory = np.empty(moved.shape, np.uint8)
    _core.remember_symbols(blocks.counts, symbols, moved, memory)
    half = (height + 1) // 2, (width + 1) // 2
    frame = Frame(
        planes[0][:height, :width],
        planes[1][: half[0], : half[1]],
        planes[2][: half[0], : half[1]],
    )
    state = ReferenceState(planes, blocks.field, blocks.counts, memory, contexts, quality, tables)
    return Reference(frame, digest_after(packet, start), quality, state)
