# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/syntax.

The side information of each block: mode, vectors, counts, transforms.

Blocks are in raster order. Most decisions are bits whose probability three adaptive contexts
estimate (mixing.py), the others have one context (binary.py) or none. One traversal writes and
reads: a writing coder codes the bit that it is given, a reading one ignores it and returns the one
that it reads. docs/bitstream.md has the same as tables. `count` is how many of a block's four
symbol groups are coded, from low frequencies up; a block with a candidate's vector and no groups is
a *skip*: one bit and a candidate index. `written` are values that only the writer has.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tests.reference import contexts as cx
from tests.reference import families, mixing, vector_contexts
from tests.reference import field as fields
from tests.reference.coders import Coder, Reader, Writer
from tests.reference.intra_modes import most_probable
from tests.reference.syntax_grids import Blocks, KindsSoFar, Reference
from tests.reference.vector_contexts import Around

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]

_MOST_PREFIX = 12
_REACH_PX = 24  # a block may start this far outside the picture, plus its size
_BITS_PER_BLOCK = 4 * 2 * 40 + 80  # intervals that are appended for one block at most


class OutOfReachError(Exception):
    """A vector points further outside the reference than the format allows."""


def write(contexts: U16, key: bool, blocks: Blocks, reference: Reference) -> Writer:
    """Write all blocks; adapts `contexts`."""
    writer = Writer(contexts, blocks.modes.size * _BITS_PER_BLOCK)
    _Traversal(writer, False, key, blocks, reference).all()
    return writer


def read(contexts: U16, payload: bytes, key: bool, blocks: Blocks, reference: Reference) -> bool:
    """Fill `blocks`; False when a vector is out of reach or the payload too short."""
    reader = Reader(contexts, payload)
    blocks.field[:], blocks.intra_modes[:] = 0, -1
    blocks.counts[:], blocks.splits[:] = 0, 0
    try:
        _Traversal(reader, True, key, blocks, reference).all()
    except OutOfReachError:
        return False
    return not reader.overrun


def write_areas(writer: Writer, flags: U8) -> None:
    """Append which areas the loop filter touches: luma row by row, then chroma."""
    for plane in range(2):
        for flag in flags[plane].ravel():
            writer.single(families.FILTER + plane, bool(flag))


@dataclass(slots=True, eq=False)
class _Traversal:
    coder: Coder
    reads: bool
    key: bool
    blocks: Blocks
    reference: Reference
    so_far: KindsSoFar = field(init=False)
    candidates: I32 = field(init=False)  # candidates of a block; the last row serves its quarters
    scratch: I32 = field(init=False)

    def __post_init__(self) -> None:
        self.so_far = KindsSoFar.nothing(*self.blocks.modes.shape)
        self.candidates = np.zeros((5, 3), np.int32)
        self.scratch = np.zeros(mixing.SCRATCH, np.int32)

    def all(self) -> None:
        rows, columns = self.blocks.modes.shape
        for row in range(rows):
            for column in range(columns):
                self._block(row, column)

    def _mixed(self, weights: int, bit: bool) -> int:
        return self.coder.mixed(weights, self.scratch, bit)

    def _block(self, row: int, column: int) -> None:
        blocks, so_far = self.blocks, self.so_far
        mode, count = int(blocks.modes[row, column]), int(blocks.counts[row, column])
        split = int(blocks.splits[row, column])
        kind = families.WITHIN
        if self.key:
            mode = mode if not self.reads else fields.INTRA16
        elif self._joined(row, column):
            self._check_reach(row, column, *blocks.field[2 * row, 2 * column])
            mode, kind = fields.INTER16, families.JOINED
            if so_far.empties[row, column]:
                so_far.skips[row, column] = 1
                blocks.modes[row, column] = mode
                return
        else:
            mode, kind = self._own_block(row, column, mode, count)
            if so_far.skips[row, column]:
                blocks.modes[row, column] = mode
                return
        if mode >= fields.INTRA16:
            mode = self._intra_block(row, column, mode, split)
        blocks.modes[row, column] = mode
        coded = self._groups(row, column, kind, count)
        if kind == families.JOINED and not coded:
            so_far.skips[row, column] = 1
        if mode < fields.INTRA16 and coded:
            weights = cx.by_transform(
                *(self.scratch, blocks.splits, blocks.counts, self.reference.counts),
                *(row, column, int(kind == families.QUARTERS)),
            )
            if self._mixed(weights, split > 0):
                self._transforms(row, column, 0, split)

    def _joined(self, row: int, column: int) -> bool:
        """Whether the block is part of a square with one vector; coded where a square starts."""
        if self.so_far.sides[row, column] > 1:
            return True
        for side in fields.REGIONS:
            if not fields.may_unite(*self.blocks.modes.shape, row, column, side):
                continue
            united = not self.reads and fields.is_united(
                self.blocks.modes, self.blocks.field, row, column, side
            )
            weights = cx.by_united(
                *(self.scratch, self.so_far.sides, self.reference.field, self.reference.counts),
                *(row, column, side, self.reference.trend),
            )
            if self._mixed(weights, united):
                self._unite(row, column, side)
                return True
        return False

    def _unite(self, row: int, column: int, side: int) -> None:
        blocks, so_far, reference = self.blocks, self.so_far, self.reference
        fields.fill(so_far.sides, row, column, side, side)
        candidate_count = fields.candidates_of(
            blocks.field, reference.field, row, column, side, self.candidates
        )
        written = fields.which(self.candidates, candidate_count, blocks.field, 2 * row, 2 * column)
        merged = self._merged(row, column, side, candidate_count, written)
        if merged:
            which = self._which(row, column, side, candidate_count, 0, written)
            vector = self.candidates[which, :2]
        else:
            vector = self._vector(0, 0, 2 * row, 2 * column, 2 * side)
        fields.set_square(blocks.field, row, column, side, *vector)
        whole = (slice(row, row + side), slice(column, column + side))
        weights = cx.by_empty(
            self.scratch, so_far.skips, reference.counts, row, column, side, reference.trend
        )
        empty = self._mixed(weights, not blocks.counts[whole].any())
        fields.fill(so_far.empties, row, column, side, empty)

    def _own_block(self, row: int, column: int, mode: int, count: int) -> tuple[int, int]:
        """A block that is no part of a square; its mode and kind."""
        blocks, so_far, reference = self.blocks, self.so_far, self.reference
        y, x = 2 * row, 2 * column
        candidate_count = fields.candidates_of(
            blocks.field, reference.field, row, column, 1, self.candidates
        )
        written = (
            fields.which(self.candidates, candidate_count, blocks.field, y, x)
            if mode == fields.INTER16
            else -1
        )
        weights = cx.by_skip(
            self.scratch, so_far.skips, reference.counts, row, column, reference.trend
        )
        skip = self._mixed(weights, written >= 0 and count == 0)
        so_far.skips[row, column] = skip
        if skip:
            so_far.merges[row, column] = 1
            return self._by_candidate(row, column, candidate_count, 1, written)
        weights = cx.by_intra(
            self.scratch, so_far.intras, reference.counts, row, column, reference.trend
        )
        intra = self._mixed(weights, mode >= fields.INTRA16)
        so_far.intras[row, column] = intra
        if intra:
            return (fields.INTRA16 if self.reads else mode), families.WITHIN
        weights = cx.by_candidate_count(
            *(self.scratch, families.SPLIT, so_far.quarters, reference.counts),
            *(row, column, 1, candidate_count, reference.trend),
        )
        quarter = self._mixed(weights, mode == fields.INTER8)
        so_far.quarters[row, column] = quarter
        if quarter:
            for k in range(4):
                yy, xx = y + (k >> 1), x + (k & 1)
                fields.predictor(blocks.field, yy, xx, 1, self.candidates, 4)
                vector = self._vector(2, 4, yy, xx, 1)
                self._check_reach(row, column, *vector)
                blocks.field[yy, xx] = vector
            return fields.INTER8, families.QUARTERS
        if self._merged(row, column, 1, candidate_count, written):
            return self._by_candidate(row, column, candidate_count, 0, written)
        vector = self._vector(0, 0, y, x, 2)
        self._check_reach(row, column, *vector)
        fields.set_block(blocks.field, row, column, *vector)
        return fields.INTER16, families.WHOLE

    def _merged(self, row: int, column: int, side: int, candidate_count: int, written: int) -> int:
        """Whether the vector is a candidate's."""
        weights = cx.by_candidate_count(
            *(self.scratch, families.MERGE, self.so_far.merges, self.reference.counts),
            *(row, column, side, candidate_count, self.reference.trend),
        )
        merged = self._mixed(weights, written >= 0)
        fields.fill(self.so_far.merges, row, column, side, merged)
        return merged

    def _by_candidate(
        self, row: int, column: int, candidate_count: int, skip: int, written: int
    ) -> tuple[int, int]:
        """A block with a candidate's vector."""
        vector = self.candidates[
            self._which(row, column, 1, candidate_count, skip, written), :2
        ].copy()
        self._check_reach(row, column, *vector)
        fields.set_block(self.blocks.field, row, column, *vector)
        return fields.INTER16, families.TAKEN

    def _which(
        self, row: int, column: int, side: int, candidate_count: int, skip: int, written: int
    ) -> int:
        """The candidate index."""
        known = (
            self.scratch,
            self.so_far.candidate_index,
            self.blocks.field,
            self.reference.field,
            self.candidates,
        )
        which = 0
        if candidate_count > 1:
            which = self._mixed(
                cx.by_which(*known, row, column, side, candidate_count, skip), written > 0
            )
            if which and candidate_count > 2:
                which += self._mixed(cx.by_which_second(*known, row, column, side), written > 1)
        fields.fill(self.so_far.candidate_index, row, column, side, which)
        return which

    def _vector(self, part: int, origin: int, y: int, x: int, size: int) -> tuple[int, int]:
        """The vector of a square of `size` 8x8 blocks, as a difference to candidates[origin].

        `part` is 0 for whole blocks, 2 for quarters.
        """
        own = self.blocks.field
        written = own[y, x].copy()
        other = 3
        found = [0, 0]
        hints = np.empty(5, np.int32)
        for side in range(2):
            start = int(self.candidates[origin, side])
            apart = vector_contexts.hint(own, self.reference.field, y, x, side, size, start, hints)
            around = Around(
                part + side, vector_contexts.spread(own, y, x, side), other, apart, hints
            )
            value = self._component(around, int(written[side]) - start)
            found[side] = start + value
            other = min(vector_contexts.size_class(abs(value)), 2)
        return found[0], found[1]

    def _component(self, around: Around, written: int) -> int:
        """One component of a vector difference."""
        if not self._mixed(around.by_length(self.scratch, 0), written != 0):
            return 0
        negative = self._mixed(
            vector_contexts.by_sides(self.scratch, around.part, around.hints), written < 0
        )
        size = abs(written)
        prefix = 0
        while prefix < _MOST_PREFIX and self._mixed(
            around.by_length(self.scratch, 1 + min(prefix, families.PREFIX_CONTEXTS)),
            size >> (prefix + 1) != 0,
        ):
            prefix += 1
        value = 1
        for shift in range(prefix - 1, -1, -1):
            wanted = bool(size >> shift & 1)
            if shift == prefix - 1:
                top = families.TOP + 4 * (around.part >> 1) + min(prefix, 4) - 1
                bit = self.coder.single(top, wanted)
            else:
                bit = self.coder.raw(wanted)
            value = value << 1 | bit
        return -value if negative else value

    def _intra_block(self, row: int, column: int, mode: int, split: int) -> int:
        """Intra modes of a block, or of its quarters; returns the block's mode."""
        blocks, quarters = self.blocks, self.so_far.quarters
        y, x = 2 * row, 2 * column
        candidates = families.KEY_SPLIT + cx.around(quarters, row, column, 0)
        small = self.coder.single(candidates, mode == fields.INTRA8)
        quarters[row, column] = small
        if not small:
            blocks.intra_modes[y : y + 2, x : x + 2] = self._intra_mode(y, x)
            return fields.INTRA16
        for k in range(4):
            yy, xx = y + (k >> 1), x + (k & 1)
            blocks.intra_modes[yy, xx] = self._intra_mode(yy, xx)
        self._transforms(row, column, 1, split)
        return fields.INTRA8

    def _intra_mode(self, y: int, x: int) -> int:
        written = int(self.blocks.intra_modes[y, x])
        probable = most_probable(self.blocks.intra_modes, y, x)
        found = probable.index(written) if written in probable else -1
        if self.coder.single(families.LIKELY, found >= 0):
            which = self.coder.single(families.LIKELY_WHICH, found > 0)
            if which:
                which += self.coder.single(families.LIKELY_WHICH + 1, found > 1)
            return probable[which]
        rank = written - sum(mode < written for mode in probable)
        node = 1
        for shift in range(4, -1, -1):
            node = node << 1 | self.coder.single(families.MODE + node, bool(rank >> shift & 1))
        mode = node - 32
        for each in sorted(probable):
            mode += mode >= each
        return mode

    def _transforms(self, row: int, column: int, within: int, written: int) -> None:
        """The transforms of the quarters of a block whose luma is split."""
        splits = self.blocks.splits
        splits[row, column] = 1
        for k in range(4):
            wanted = cx.transform_of(written, k)
            weights = cx.by_finer(self.scratch, splits, row, column, k, within, 0)
            kind = self._mixed(weights, wanted > 0)
            if kind:
                weights = cx.by_finer(self.scratch, splits, row, column, k, within, 1)
                kind += self._mixed(weights, wanted > 1)
            splits[row, column] = cx.with_transform(int(splits[row, column]), k, kind)

    def _groups(self, row: int, column: int, kind: int, written: int) -> int:
        """How many symbol groups are coded: at least one with a candidate's vector."""
        count = int(kind == families.TAKEN)
        while count < 4:
            weights = cx.by_count(
                *(self.scratch, self.blocks.counts, self.reference.counts),
                *(row, column, kind, count, self.reference.trend),
            )
            if not self._mixed(weights, written > count):
                break
            count += 1
        self.blocks.counts[row, column] = count
        return count

    def _check_reach(self, row: int, column: int, dy: int, dx: int) -> None:
        rows, columns = self.blocks.modes.shape
        if not fields.within_reach(
            *(16 * row, 16 * column, int(dy), int(dx), 16 * rows, 16 * columns, _REACH_PX)
        ):
            raise OutOfReachError
