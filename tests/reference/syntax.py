# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/syntax.

What a packet says about each block besides its symbols: mode, vectors, how much is coded.

Blocks go in raster order. Most decisions are bits whose probability three adaptive contexts
estimate (mixing.py), the others have one context (binary.py) or none. One traversal writes and
reads: a coder that writes takes the bit it is handed, one that reads ignores it and returns what it
found;
docs/bitstream.md has the same as tables. `count` is how many of a block's four symbol groups are
coded, from low frequencies up; a block that takes over a vector and has none is a *skip*, one bit
and a candidate's number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tests.reference import binary, mixing, rans
from tests.reference import contexts as cx
from tests.reference import field as fields

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]

_MOST_PREFIX = 12
_REACH_PX = 24  # a block may start this far outside the picture, plus its size
_PLANAR, _MEAN, _VERTICAL = 0, 1, 26
_BITS_PER_BLOCK = 4 * 2 * 40 + 80  # intervals that are appended for one block at most


class OutOfReachError(Exception):
    """A vector points further outside the reference than packets may say."""


class Coder(Protocol):
    """Codes one bit; the contexts of a mixed one are named in `scratch`."""

    def mixed(self, weights: int, scratch: I32, bit: bool) -> int: ...
    def single(self, index: int, bit: bool) -> int: ...
    def raw(self, bit: bool) -> int: ...


class Writer:
    """Appends bits to a list of intervals."""

    def __init__(self, contexts: U16, most_bits: int) -> None:
        self._contexts = contexts
        self._out = np.zeros(most_bits, np.uint32)
        self._count = 0

    def mixed(self, weights: int, scratch: I32, bit: bool) -> int:
        """Append a bit by a mixture of three contexts."""
        self._count = mixing.put(self._out, self._count, self._contexts, weights, scratch, int(bit))
        return int(bit)

    def single(self, index: int, bit: bool) -> int:
        """Append a bit with a context of its own."""
        self._count = binary.put(self._out, self._count, self._contexts, index, int(bit))
        return int(bit)

    def raw(self, bit: bool) -> int:
        """Append a bit at even odds."""
        self._count = binary.put_raw(self._out, self._count, int(bit))
        return int(bit)

    @property
    def bits(self) -> int:
        """How many bits were appended."""
        return self._count

    def encode(self) -> bytes:
        """The payload."""
        return rans.encode(self._out, self._count)


class Reader:
    """Takes bits from a payload."""

    def __init__(self, contexts: U16, payload: bytes) -> None:
        self._contexts = contexts
        self._words = rans.words_of(payload)
        self._state = rans.start(self._words)

    def mixed(self, weights: int, scratch: I32, bit: bool) -> int:
        """Read a bit by a mixture of three contexts."""
        del bit
        return mixing.get(self._state, self._words, self._contexts, weights, scratch)

    def single(self, index: int, bit: bool) -> int:
        """Read a bit with a context of its own."""
        del bit
        return binary.get(self._state, self._words, self._contexts, index)

    def raw(self, bit: bool) -> int:
        """Read a bit at even odds."""
        del bit
        return binary.get_raw(self._state, self._words)

    @property
    def overrun(self) -> bool:
        """True when more was read than there is."""
        return bool(self._state[rans.STATE_OVERRUN])


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Of all blocks: modes, counts, splits (rows, columns); field, intra_modes on 8x8."""

    modes: U8
    field: I16
    intra_modes: I8
    counts: U8
    splits: U8


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Of the reference: its vectors, its counts, and how quality runs (`quality_trend`)."""

    field: I16
    counts: U8
    trend: int


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
            writer.single(cx.FILTER + plane, bool(flag))


@dataclass(slots=True, eq=False)
class _KindsSoFar:
    """Kinds of the blocks coded so far, one value a block."""

    skips: U8
    intras: U8
    quarters: U8
    candidate_index: U8  # which candidate
    merges: U8
    sides: U8  # of the square a block is part of
    empties: U8  # of a square: nothing is coded in it

    @classmethod
    def nothing(cls, rows: int, columns: int) -> _KindsSoFar:
        zeros = [np.zeros((rows, columns), np.uint8) for _ in range(7)]
        zeros[5][:] = 1
        return cls(*zeros)


@dataclass(slots=True, eq=False)
class _Traversal:
    coder: Coder
    reads: bool
    key: bool
    blocks: Blocks
    reference: Reference
    so_far: _KindsSoFar = field(init=False)
    candidates: I32 = field(init=False)  # candidates of a block; the last row serves its quarters
    scratch: I32 = field(init=False)

    def __post_init__(self) -> None:
        self.so_far = _KindsSoFar.nothing(*self.blocks.modes.shape)
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
        kind = cx.WITHIN
        if self.key:
            mode = mode if not self.reads else fields.INTRA16
        elif self._joined(row, column):
            self._check_reach(row, column, *blocks.field[2 * row, 2 * column])
            mode, kind = fields.INTER16, cx.JOINED
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
        if kind == cx.JOINED and not coded:
            so_far.skips[row, column] = 1
        if mode < fields.INTRA16 and coded:
            weights = cx.by_transform(
                *(self.scratch, blocks.splits, blocks.counts, self.reference.counts),
                *(row, column, int(kind == cx.QUARTERS)),
            )
            if self._mixed(weights, split > 0):
                self._transforms(row, column, 0, split)

    def _joined(self, row: int, column: int) -> bool:
        """Whether the block is part of a square with one vector; says so where one starts."""
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
        told = fields.which(self.candidates, candidate_count, blocks.field, 2 * row, 2 * column)
        merged = self._merged(row, column, side, candidate_count, told)
        if merged:
            vector = self.candidates[self._which(row, column, side, candidate_count, 0, told), :2]
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
        """A block that says itself where it comes from; its mode and kind."""
        blocks, so_far, reference = self.blocks, self.so_far, self.reference
        y, x = 2 * row, 2 * column
        candidate_count = fields.candidates_of(
            blocks.field, reference.field, row, column, 1, self.candidates
        )
        told = (
            fields.which(self.candidates, candidate_count, blocks.field, y, x)
            if mode == fields.INTER16
            else -1
        )
        weights = cx.by_skip(
            self.scratch, so_far.skips, reference.counts, row, column, reference.trend
        )
        skip = self._mixed(weights, told >= 0 and count == 0)
        so_far.skips[row, column] = skip
        if skip:
            so_far.merges[row, column] = 1
            return self._taken(row, column, candidate_count, 1, told)
        weights = cx.by_intra(
            self.scratch, so_far.intras, reference.counts, row, column, reference.trend
        )
        intra = self._mixed(weights, mode >= fields.INTRA16)
        so_far.intras[row, column] = intra
        if intra:
            return (fields.INTRA16 if self.reads else mode), cx.WITHIN
        weights = cx.by_candidate_count(
            *(self.scratch, cx.SPLIT, so_far.quarters, reference.counts),
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
            return fields.INTER8, cx.QUARTERS
        if self._merged(row, column, 1, candidate_count, told):
            return self._taken(row, column, candidate_count, 0, told)
        vector = self._vector(0, 0, y, x, 2)
        self._check_reach(row, column, *vector)
        fields.set_block(blocks.field, row, column, *vector)
        return fields.INTER16, cx.WHOLE

    def _merged(self, row: int, column: int, side: int, candidate_count: int, told: int) -> int:
        """Whether the vector is one of the candidates."""
        weights = cx.by_candidate_count(
            *(self.scratch, cx.MERGE, self.so_far.merges, self.reference.counts),
            *(row, column, side, candidate_count, self.reference.trend),
        )
        merged = self._mixed(weights, told >= 0)
        fields.fill(self.so_far.merges, row, column, side, merged)
        return merged

    def _taken(
        self, row: int, column: int, candidate_count: int, skip: int, told: int
    ) -> tuple[int, int]:
        """A block takes over a candidate's vector."""
        vector = self.candidates[
            self._which(row, column, 1, candidate_count, skip, told), :2
        ].copy()
        self._check_reach(row, column, *vector)
        fields.set_block(self.blocks.field, row, column, *vector)
        return fields.INTER16, cx.TAKEN

    def _which(
        self, row: int, column: int, side: int, candidate_count: int, skip: int, told: int
    ) -> int:
        """Which of the `candidate_count` candidates is taken."""
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
                cx.by_which(*known, row, column, side, candidate_count, skip), told > 0
            )
            if which and candidate_count > 2:
                which += self._mixed(cx.by_which_second(*known, row, column, side), told > 1)
        fields.fill(self.so_far.candidate_index, row, column, side, which)
        return which

    def _vector(self, part: int, origin: int, y: int, x: int, size: int) -> tuple[int, int]:
        """The vector of a square of `size` 8x8 blocks, as a difference to candidates[origin].

        `part` is 0 for whole blocks, 2 for quarters.
        """
        own = self.blocks.field
        told = own[y, x].copy()
        other = 3
        found = [0, 0]
        hints = np.empty(5, np.int32)
        for side in range(2):
            start = int(self.candidates[origin, side])
            apart = cx.hint(own, self.reference.field, y, x, side, size, start, hints)
            around = _Around(part + side, cx.spread(own, y, x, side), other, apart, hints)
            value = self._component(around, int(told[side]) - start)
            found[side] = start + value
            other = min(cx.size_class(abs(value)), 2)
        return found[0], found[1]

    def _component(self, around: _Around, told: int) -> int:
        """One component of a vector difference."""
        if not self._mixed(around.by_length(self.scratch, 0), told != 0):
            return 0
        negative = self._mixed(cx.by_sides(self.scratch, around.part, around.hints), told < 0)
        size = abs(told)
        prefix = 0
        while prefix < _MOST_PREFIX and self._mixed(
            around.by_length(self.scratch, 1 + min(prefix, cx.PREFIX_CONTEXTS)),
            size >> (prefix + 1) != 0,
        ):
            prefix += 1
        value = 1
        for shift in range(prefix - 1, -1, -1):
            wanted = bool(size >> shift & 1)
            if shift == prefix - 1:
                top = cx.TOP + 4 * (around.part >> 1) + min(prefix, 4) - 1
                bit = self.coder.single(top, wanted)
            else:
                bit = self.coder.raw(wanted)
            value = value << 1 | bit
        return -value if negative else value

    def _intra_block(self, row: int, column: int, mode: int, split: int) -> int:
        """Directions of an intra block, or of its quarters; its mode."""
        blocks, quarters = self.blocks, self.so_far.quarters
        y, x = 2 * row, 2 * column
        candidates = cx.KEY_SPLIT + cx.around(quarters, row, column, 0)
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
        told = int(self.blocks.intra_modes[y, x])
        likely = _likely(self.blocks.intra_modes, y, x)
        found = likely.index(told) if told in likely else -1
        if self.coder.single(cx.LIKELY, found >= 0):
            which = self.coder.single(cx.LIKELY_WHICH, found > 0)
            if which:
                which += self.coder.single(cx.LIKELY_WHICH + 1, found > 1)
            return likely[which]
        rank = told - sum(mode < told for mode in likely)
        node = 1
        for shift in range(4, -1, -1):
            node = node << 1 | self.coder.single(cx.MODE + node, bool(rank >> shift & 1))
        mode = node - 32
        for each in sorted(likely):
            mode += mode >= each
        return mode

    def _transforms(self, row: int, column: int, within: int, told: int) -> None:
        """How the quarters of a block with its luma in quarters are transformed."""
        splits = self.blocks.splits
        splits[row, column] = 1
        for k in range(4):
            wanted = cx.transform_of(told, k)
            weights = cx.by_finer(self.scratch, splits, row, column, k, within, 0)
            kind = self._mixed(weights, wanted > 0)
            if kind:
                weights = cx.by_finer(self.scratch, splits, row, column, k, within, 1)
                kind += self._mixed(weights, wanted > 1)
            splits[row, column] = cx.with_transform(int(splits[row, column]), k, kind)

    def _groups(self, row: int, column: int, kind: int, told: int) -> int:
        """How many symbol groups are coded. A block that took over a vector has some."""
        count = int(kind == cx.TAKEN)
        while count < 4:
            weights = cx.by_count(
                *(self.scratch, self.blocks.counts, self.reference.counts),
                *(row, column, kind, count, self.reference.trend),
            )
            if not self._mixed(weights, told > count):
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


@dataclass(frozen=True, slots=True, eq=False)
class _Around:
    """What the contexts of one component of a vector difference are chosen by.

    `part` is 0 and 1 for dy and dx of whole blocks, 2 and 3 of quarters; `spread` (0 to 3) how far
    the neighbours' vectors differ, `other` (0 to 3) what is known of the other component, `apart`
    and `hints` where the vectors around lie (`contexts.hint`).
    """

    part: int
    spread: int
    other: int
    apart: int
    hints: I32

    def by_length(self, scratch: I32, length: int) -> int:
        return cx.by_length(scratch, self.part, self.spread, self.other, self.apart, length)


def _likely(intra_modes: I8, y: int, x: int) -> list[int]:
    """The three likeliest intra modes from the left and upper neighbours (H.265, 8.4.2)."""
    left = int(intra_modes[y, x - 1]) if x else -1
    above = int(intra_modes[y - 1, x]) if y else -1
    left = _MEAN if left < 0 else left
    above = _MEAN if above < 0 else above
    if left == above:
        if left < 2:
            return [_PLANAR, _MEAN, _VERTICAL]
        return [left, 2 + (left + 29) % 32, 2 + (left - 1) % 32]
    for third in (_PLANAR, _MEAN, _VERTICAL):
        if third not in {left, above}:
            return [left, above, third]
    raise AssertionError
