# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/blocks/rebuild and code.

From symbols to pictures, in encoder and decoder: prediction plus residual, block by block.

`code` is the encoder's loop: it chooses the final symbols, since intra prediction starts from
decoded neighbours, and leaves exactly the picture that `rebuild`, the decoder's loop, makes from
those symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamcodec import _core
from streamcodec.blocks import layout
from tests.reference import contexts as cx
from tests.reference import families, intra, mixing, quantise, transform
from tests.reference import field as fields
from tests.reference import prices as prices_of

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U16 = npt.NDArray[np.uint16]
F32 = npt.NDArray[np.float32]
Planes = tuple[U8, U8, U8]

_STARTS = np.array(layout.GROUP_STARTS, np.int64)
_CHANNEL_OF = np.argsort(layout.ORDER)  # position -> channel
# Values of `free`: the block has a candidate's vector, or is part of a square with one vector.
TAKEN, JOINED = 1, 2
# Price of the syntax between "no skip" and the count of a block with a candidate's vector.
_CANDIDATE_Q8 = 256


def _places(square: intra.Square) -> npt.NDArray[np.int64]:
    """Channels (size, size) of the coefficients of a square of a block in quarters."""
    own = _CHANNEL_OF[:256].reshape(16, 16)[transform.apart(square.quarter)]
    return np.asarray(own if square.size == 8 else own[transform.apart(square.part)], np.int64)


def _views(planes: Planes, row: int, column: int) -> list[U8]:
    """A block's samples in each plane."""
    return [
        plane[side * row : side * (row + 1), side * column : side * (column + 1)]
        for plane, side in zip(planes, (16, 8, 8), strict=True)
    ]


def differences(source: Planes, prediction: Planes, row: int, column: int) -> F32:
    """The 384 samples of a block, source minus prediction."""
    pairs = zip(_views(source, row, column), _views(prediction, row, column), strict=True)
    return np.concatenate(
        [(own.astype(np.float32) - guess.astype(np.float32)).ravel() for own, guess in pairs]
    )


def _add(samples: U8, residual: I64) -> None:
    samples[:] = np.clip(samples.astype(np.int64) + residual, 0, 255)


def _predict_within(
    planes: Planes,
    blocks: _core.Blocks,
    row: int,
    column: int,
    follow: Callable[[intra.Square], None],
) -> None:
    """Predict an intra block from decoded neighbours; calls `follow` after each square."""
    y, u, v = planes
    modes = blocks.intra_modes[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
    small = blocks.modes[row, column] == fields.INTRA8
    for square in intra.squares(small, int(blocks.splits[row, column]), row):
        top, left = 16 * row + square.y, 16 * column + square.x
        mode = int(modes[square.quarter >> 1, square.quarter & 1])
        y[top : top + square.size, left : left + square.size] = intra.predicted(
            y, top, left, square.size, square.right, square.below, mode
        )
        follow(square)
    for chroma in (u, v):
        at = 8 * row, 8 * column
        _views((y, chroma, chroma), row, column)[1][:] = intra.predicted(
            chroma, *at, 8, 8 if row else 0, 0, int(modes[0, 0])
        )


def rebuild(blocks: _core.Blocks, symbols: I16, steps_q3: I32, planes: Planes) -> None:
    """Add the residual of every coded block to planes that hold the inter prediction.

    `symbols` is (blocks, 384). Intra blocks are predicted here, in raster order.
    """
    for row, column in np.ndindex(blocks.rows, blocks.columns):
        mode, count = blocks.modes[row, column], blocks.counts[row, column]
        here = _views(planes, row, column)
        residual = np.zeros(384, np.int64)
        if count:
            residual = transform.inverse(
                *(symbols[row * blocks.columns + column], steps_q3, quantise.BIAS_Q8),
                int(blocks.splits[row, column]),
            )
        parts = list(transform.planes_of(residual))
        if mode >= fields.INTRA16:

            def add(square: intra.Square, here: list[U8] = here, luma: I64 = parts[0]) -> None:
                own = (
                    slice(square.y, square.y + square.size),
                    slice(square.x, square.x + square.size),
                )
                _add(here[0][own], luma[own])

            _predict_within(planes, blocks, row, column, add)
        else:
            _add(here[0], parts[0])
        for plane in (1, 2):
            _add(here[plane], parts[plane])


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Inputs of the choice of symbols.

    `tables` (blocks, 384) are those of a first pass; `free` (0, TAKEN or JOINED) marks
    blocks that cost almost no bits when their count is 0: coding them must gain more than
    their `hurdle` in bits.
    """

    tables: U8
    costs_q8: I32
    mu: float
    steps_q3: I32
    contexts: U16
    reference_counts: U8
    trend: int
    free: U8
    hurdle: U8

    @property
    def inverse_steps(self) -> F32:
        """Of each channel."""
        return (np.float32(8) / self.steps_q3).astype(np.float32)


def code(
    source: Planes,
    blocks: _core.Blocks,
    coefficients: F32,
    prices: Prices,
    symbols: I16,
    planes: Planes,
) -> None:
    """Choose symbols by rate and distortion, and reconstruct the picture.

    `coefficients` (blocks, 384) are those of the inter blocks. On entry `blocks.counts` holds the
    first pass' counts, an upper bound; on return the final ones. The planes hold the inter
    prediction on entry and the picture on return.
    """
    skips = np.zeros_like(blocks.counts)
    for row, column in np.ndindex(blocks.rows, blocks.columns):
        index = row * blocks.columns + column
        _Block(source, blocks, prices, symbols[index], planes, skips, row, column).code(
            coefficients[index], index
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    source: Planes
    blocks: _core.Blocks
    prices: Prices
    symbols: I16
    planes: Planes
    skips: U8
    row: int
    column: int

    def code(self, levels: F32, index: int) -> None:
        blocks, here = self.blocks, (self.row, self.column)
        mode, most = blocks.modes[here], int(blocks.counts[here])
        tables = self.prices.tables[index]
        small = mode == fields.INTRA8
        if small:
            self.symbols[:] = 0
        if mode >= fields.INTRA16:

            def follow(square: intra.Square) -> None:
                if small and most:
                    self._code_square(square, tables, most)

            _predict_within(self.planes, blocks, *here, follow)
        if not most:
            self.symbols[:] = 0
            self.skips[here] = self.prices.free[here]
            return
        if mode >= fields.INTRA16:
            levels = transform.forward(
                differences(self.source, self.planes, *here), 1 if small else 0
            )
        if small:  # luma is done; chroma is weighed alone
            chroma = np.flatnonzero(layout.ORDER >= 256)
            for c in chroma[chroma < _STARTS[most]]:
                self._weigh(levels, c, c + 1, tables)
            blocks.counts[here] = self._groups_needed(4)
        else:
            blocks.counts[here] = self._choose_count(levels, most, tables)
        if self.prices.free[here] and not blocks.counts[here]:
            self.skips[here] = 1
        if blocks.counts[here]:
            residual = transform.inverse(
                self.symbols, self.prices.steps_q3, quantise.BIAS_Q8, int(blocks.splits[here])
            )
            parts = list(transform.planes_of(residual))
            for samples, part in list(zip(_views(self.planes, *here), parts, strict=True))[
                int(small) :
            ]:
                _add(samples, part)

    def _weigh(self, levels: F32, first: int, last: int, tables: U8) -> float:
        """Choose symbols of channels [first, last); returns the cost that coding them saves."""
        saved = np.zeros(2, np.float32)
        prices = self.prices
        quantise.weighed(
            *(levels, prices.inverse_steps, first, last, tables),
            *(prices.costs_q8, prices.mu, self.symbols, saved),
        )
        return saved[1] - saved[0]

    def _groups_needed(self, most: int) -> int:
        coded = [g + 1 for g in range(most) if self.symbols[_STARTS[g] : _STARTS[g + 1]].any()]
        return max(coded, default=0)

    def _choose_count(self, levels: F32, most: int, tables: U8) -> int:
        """How many groups to code by rate and distortion; later symbols become zero."""
        prices, here = self.prices, (self.row, self.column)
        scratch, by_count = np.zeros(mixing.SCRATCH, np.int32), np.zeros(5, np.int32)
        known = (self.blocks.counts, prices.reference_counts, *here)
        prices_of.count_prices(
            prices.contexts, scratch, *known, self._kind(), prices.trend, by_count
        )
        none, signalled = by_count[0], 0
        if prices.free[here] == TAKEN:
            signalled, none = prices_of.skip_prices_q8(
                *(
                    prices.contexts,
                    scratch,
                    self.skips,
                    prices.reference_counts,
                    *here,
                    prices.trend,
                )
            )
            signalled += _CANDIDATE_Q8
        per_bit = prices.mu / 256
        best, best_count = np.float32(per_bit * 256 * prices.hurdle[here]), 0
        gain = np.float32(0)
        for g in range(most):
            gain += self._weigh(levels, _STARTS[g], _STARTS[g + 1], tables)
            net = gain - np.float32(per_bit * (by_count[g + 1] + signalled - none))
            if net > best:
                best, best_count = net, g + 1
        self.symbols[_STARTS[best_count] :] = 0
        return self._groups_needed(best_count)

    def _kind(self) -> int:
        mode, free = (
            self.blocks.modes[self.row, self.column],
            self.prices.free[self.row, self.column],
        )
        if mode >= fields.INTRA16:
            return families.WITHIN
        if mode == fields.INTER8:
            return families.QUARTERS
        return {0: families.WHOLE, TAKEN: families.TAKEN, JOINED: families.JOINED}[int(free)]

    def _code_square(self, square: intra.Square, tables: U8, most: int) -> None:
        """Code one luma square of a block in quarters against the prediction in the picture."""
        own = slice(square.y, square.y + square.size), slice(square.x, square.x + square.size)
        source = _views(self.source, self.row, self.column)[0][own]
        here = _views(self.planes, self.row, self.column)[0][own]
        miss = source.astype(np.float32) - here.astype(np.float32)
        kind = cx.transform_of(int(self.blocks.splits[self.row, self.column]), square.quarter)
        plain = kind == transform.PLAIN
        channels = _places(square)
        levels = np.zeros(384, np.float32)
        levels[channels.ravel()] = (miss if plain else transform.dct(miss)).ravel()
        for c in np.sort(channels.ravel()):
            if c < _STARTS[most]:
                self._weigh(levels, c, c + 1, tables)
        coefficients = transform.dequantise(
            self.symbols[channels], self.prices.steps_q3[channels], quantise.BIAS_Q8
        )
        _add(
            here,
            (transform.inverse_fine if square.size == 4 else transform.inverse_quarter)(
                coefficients, kind
            ),
        )
