# SPDX-License-Identifier: Apache-2.0
"""Two passes over one frame at one quality: symbols by true cost, the picture, and the packet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from streamcodec import _core, bitstream, quantise
from streamcodec import contexts as cx
from streamcodec.analysis import Analysis
from streamcodec.bitstream import LOOP_FILTER, NETWORK
from streamcodec.blocks import layout, transform
from streamcodec.correction import Network, Stage, areas_acting, room_bytes
from streamcodec.effort import EffortParams
from streamcodec.entropy.tables import TABLES
from streamcodec.model import Model, filter_of
from streamcodec.state import Planes, ReferenceState
from streamcodec.workspace import Workspace

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
U16 = npt.NDArray[np.uint16]
FloatPlanes = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]

INTRA16 = 2  # modes from here on are intra
INTRA8 = 3
# Below 1/2, so that the first pass keeps about as many symbols as the second one, which weighs
# rate against distortion.
FIRST_PASS_ROUNDING = 0.35
# Bits that coding a static block must gain where the frame is no finer than its reference: less
# would only quantise the reference's error once more. Costs nothing on clips with motion.
_STATIC_GAIN_BITS = 96
_STATIC_SHARE = 0.97
_NOISE = 2  # quarter samples
_TABLES_PER_QUALITY = 0.45  # a table's index rises by this with each quality
_INTER_OFFSET = 6  # tables of a residual lie this much lower
_GROUP_STARTS = np.array(layout.GROUP_STARTS)
FEWEST_GROUPS = 2  # groups that the second pass may code in any intra block


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """A frame coded at one quality.

    `lambda_scale` is its lambda relative to the usual one (`quantise.MU`). `planes` is the decoded
    picture (sides multiples of 16), `unfiltered` the same before the loop filter, if kept (for
    training); `symbols`, `tables` and `moved` are (blocks, 384). Where the decoder network may
    still correct the picture, `prefix` is the payload before the levels, and `room_bytes` what a
    budget reserves for them.
    """

    quality: int
    lambda_scale: float
    packet: bytes
    planes: Planes
    unfiltered: Planes | None
    blocks: _core.Blocks
    symbols: I16
    tables: U8
    contexts: U16
    moved: U8
    moved_counts: U8
    prefix: _core.Writer | None = None
    room_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """What a budget counts: the packet, and room for levels not yet in it."""
        return len(self.packet) + self.room_bytes


@dataclass(frozen=True, slots=True, eq=False)
class FirstPass:
    """Result of a quality's first pass: tables that price symbols, and groups that may be coded."""

    tables: U8
    counts: U8


class Coding:
    """Two passes over one frame at one quality."""

    def __init__(
        self,
        model: Model,
        analysis: Analysis,
        state: ReferenceState,
        quality: int,
        *,
        moved: tuple[U8, U8],
        added: FloatPlanes | None = None,
        workspace: Workspace,
        pool: _core.Pool | None,
        rounds: int = 0,
        keep_unfiltered: bool = False,
    ) -> None:
        self._model = model
        self._rounds = rounds
        self._keep_unfiltered = keep_unfiltered
        self._analysis = analysis
        self._added = added
        self._shifted: npt.NDArray[np.float32] | None = None
        self._reference_state = state
        self._quality = quality
        self._workspace = workspace
        self._pool = pool
        self._steps_q3 = transform.plane_steps_q3(quality)
        self._channel_steps_q3 = transform.CHANNEL_STEPS_Q3[quality]
        self._moved, self._moved_counts = moved
        self._remembered = False  # whether the prior has its inputs from the reference
        self._first: FirstPass | None = None  # of the attempt being made

    def first_pass(self, params: EffortParams) -> FirstPass:
        """Price each symbol: by the prior, or by the tables of the reference."""
        analysis = self._analysis
        blocks = analysis.blocks.copy()
        target, steps_q3 = self._target(), self._channel_steps_q3
        reference_tables = None if params.prior_pass else self._reference_state.tables
        if reference_tables is not None and not analysis.key:
            _core.count_groups(target, steps_q3, FIRST_PASS_ROUNDING, blocks.counts)
            _core.keep_intra(blocks, FEWEST_GROUPS)
            found = self._tables_of_reference(reference_tables, blocks.counts)
            return FirstPass(found, blocks.counts)
        symbols = self._room_for_symbols()
        if analysis.key:
            # Predicted from the source's neighbours instead of decoded ones, a smooth block seems
            # to need no symbols, and errors spread unnoticed.
            blocks.counts[:] = layout.GROUPS
            guess = np.tile(guess_tables(self._quality), (len(symbols), 1))
            self._code(blocks, guess, symbols, lambda_scale=1.0)
        else:
            _core.quantise_plainly(target, steps_q3, FIRST_PASS_ROUNDING, symbols, blocks.counts)
        _core.keep_intra(blocks, FEWEST_GROUPS)
        return FirstPass(self._find_tables(blocks, symbols), blocks.counts)

    def _tables_of_reference(self, coded_by: U8, counts: U8) -> U8:
        """The tables that coded each block where it came from, shifted to this quality."""
        found = np.empty_like(coded_by)
        shift = round(_TABLES_PER_QUALITY * (self._quality - self._reference_state.quality))
        otherwise = guess_tables(self._quality, _INTER_OFFSET)
        _core.guess_tables(self._analysis.blocks, counts, coded_by, shift, otherwise, found)
        return found

    def attempt(
        self,
        first: FirstPass,
        lambda_scale: float,
        header: bitstream.PacketHeader,
        network: Network | None,
    ) -> Attempt:
        """The second pass; `network` corrects nothing yet, only room for its levels is reserved."""
        self._first = first
        analysis, state, model = self._analysis, self._reference_state, self._model
        blocks, symbols, planes = self._second_pass(first.counts, first.tables, lambda_scale)
        found = self._find_tables(blocks, symbols)
        for _ in range(self._rounds if not analysis.key else 0):
            # Tables of symbols just coded are better prices than those of the first pass.
            known = _GROUP_STARTS[blocks.counts.ravel()][:, None] > np.arange(layout.CHANNELS)
            prices = np.where(known, found, first.tables)
            blocks, symbols, planes = self._second_pass(first.counts, prices, lambda_scale)
            found = self._find_tables(blocks, symbols)
        contexts = state.contexts.copy()
        writer = _core.Writer()
        writer.blocks(
            contexts,
            analysis.key,
            blocks,
            state.field,
            state.counts,
            cx.quality_trend(self._quality, state.quality),
        )
        _core.deblock(blocks, *self._steps_q3, planes, self._pool)
        y, u, v = planes
        unfiltered = (y.copy(), u.copy(), v.copy()) if self._keep_unfiltered else None
        flags = self._filter(blocks, planes)
        if flags is not None:
            writer.areas(contexts, flags)
        prefix = None
        room = 0 if network is None else room_bytes(areas_acting(blocks))
        if room:
            prefix = _core.Writer()
            prefix.append(writer)
        payload = writer.encode(blocks.counts, symbols, found, model.cumulative)
        header = replace(header, stages=0 if flags is None else LOOP_FILTER)
        return Attempt(
            quality=self._quality,
            lambda_scale=lambda_scale,
            packet=bitstream.pack(header, payload),
            planes=planes,
            unfiltered=unfiltered,
            blocks=blocks,
            symbols=symbols,
            tables=found,
            contexts=contexts,
            moved=self._moved,
            moved_counts=self._moved_counts,
            prefix=prefix,
            room_bytes=room,
        )

    def corrected(self, attempt: Attempt, network: Network) -> Attempt:
        """The attempt with the network's correction, in areas where that pays."""
        if attempt.prefix is None:
            return attempt
        analysis = self._analysis
        stage = Stage(
            network,
            self._quality,
            attempt.blocks,
            None if analysis.key else analysis.prediction,
            self._workspace.conv,
            self._pool,
        )
        levels, planes = stage.choose(analysis.source, attempt.planes, self._steps_q3)
        if not levels.any():
            return attempt
        writer = _core.Writer()
        writer.append(attempt.prefix)
        _core.write_levels(writer, areas_acting(attempt.blocks), levels)
        payload = writer.encode(
            attempt.blocks.counts, attempt.symbols, attempt.tables, self._model.cumulative
        )
        header = bitstream.read_header(attempt.packet)
        header = replace(header, stages=header.stages | NETWORK)
        return replace(attempt, packet=bitstream.pack(header, payload), planes=planes)

    def _second_pass(
        self, counts: U8, tables: U8, lambda_scale: float
    ) -> tuple[_core.Blocks, I16, Planes]:
        """Final symbols, priced by these tables, and the picture that they rebuild."""
        blocks = self._analysis.blocks.copy()
        blocks.counts[:] = counts
        if self._rounds:
            self._remember(blocks)  # now: the next round may code other blocks than this one
        symbols = self._room_for_symbols()
        planes = self._code(blocks, tables, symbols, lambda_scale)
        _core.forget_splits(blocks)
        return blocks, symbols, planes

    def _room_for_symbols(self) -> I16:
        """Uninitialised symbols (blocks, 384)."""
        blocks = self._analysis.blocks
        return np.empty((blocks.rows * blocks.columns, layout.CHANNELS), np.int16)

    def _find_tables(self, blocks: _core.Blocks, symbols: I16) -> U8:
        """Tables (blocks, 384) that the prior chooses for these symbols."""
        self._describe(blocks)
        found = np.empty(symbols.shape, np.uint8)
        _core.find_tables(
            self._model.prior,
            self._workspace.prior,
            blocks.counts,
            self._quality,
            symbols,
            found,
            self._pool,
        )
        return found

    def feature_rows(self, blocks: _core.Blocks, symbols: I16) -> list[tuple[int, int, I32, U8]]:
        """Rows of features (n, features) of each group and phase, with their blocks' numbers."""
        self._describe(blocks)
        rows = _core.feature_rows(self._workspace.prior, blocks.counts, symbols)
        return [(group, phase, numbers.ravel(), inputs) for group, phase, numbers, inputs in rows]

    def _describe(self, blocks: _core.Blocks) -> None:
        """Set all inputs of the prior but the symbols."""
        analysis = self._analysis
        prior = self._workspace.prior
        _core.describe(
            prior,
            blocks,
            self._moved_counts,
            self._quality,
            self._reference_state.quality,
            analysis.key,
        )
        self._remember(blocks)

    def _target(self) -> npt.NDArray[np.float32]:
        """Coefficients (blocks, 384) of the residual, with what the encoder network adds."""
        if self._added is None:
            return self._analysis.coefficients
        if self._shifted is None:
            coefficients = self._analysis.coefficients
            self._shifted = self._workspace.floats("shifted", coefficients.shape)
            np.copyto(self._shifted, coefficients)
            _core.shift_coefficients(self._added, self._analysis.blocks, self._shifted, self._pool)
        return self._shifted

    def _remember(self, blocks: _core.Blocks) -> None:
        """Set the prior's inputs from the reference: once, for all blocks that may be coded."""
        if self._remembered or self._analysis.key:
            return
        self._remembered = True
        _core.remember_reference(
            self._workspace.prior,
            blocks,
            self._moved,
            self._analysis.prediction,
            *self._steps_q3,
            self._pool,
        )

    def _code(self, blocks: _core.Blocks, tables: U8, symbols: I16, lambda_scale: float) -> Planes:
        """Choose symbols, lower blocks.counts to what is coded, and return the picture."""
        analysis, state = self._analysis, self._reference_state
        y, u, v = analysis.prediction
        planes = (y.copy(), u.copy(), v.copy())
        params = _core.CodeParams(
            mu=lambda_scale * (quantise.KEY_MU if analysis.key else quantise.MU),
            trend=cx.quality_trend(self._quality, state.quality),
        )
        _core.code(
            self._workspace.blocks,
            params,
            analysis.source,
            blocks,
            self._target(),
            tables,
            self._model.costs_q8,
            self._channel_steps_q3,
            state.contexts,
            state.counts,
            analysis.free,
            self._hurdle(),
            symbols,
            planes,
            self._added,
        )
        return planes

    def _hurdle(self) -> U8:
        """Bits (rows, columns) that coding a block must gain to be done."""
        analysis = self._analysis
        hurdle = np.zeros((analysis.blocks.rows, analysis.blocks.columns), np.uint8)
        if not analysis.key and self._quality <= self._reference_state.quality:
            _core.set_hurdle(
                analysis.blocks, analysis.free, _STATIC_GAIN_BITS, _STATIC_SHARE, _NOISE, hurdle
            )
        return hurdle

    def _filter(self, blocks: _core.Blocks, planes: Planes) -> U8 | None:
        """Run the loop filter where it helps; returns the areas' flags, or None when nowhere."""
        analysis = self._analysis
        weights = filter_of(self._model, analysis.key, self._quality)
        if not weights.any() or not (blocks.counts.any() or analysis.key):
            return None
        # An area's flag costs a bit at most, so it must save lambda of squared error.
        luma, chroma = (int(quantise.MU * (step / 8) ** 2) for step in self._steps_q3)
        flags = _core.filter_search(
            analysis.source,
            planes,
            blocks,
            self._steps_q3,
            weights,
            (luma, chroma),
            self._pool,
            self._workspace.filter,
        )
        return flags if flags.any() else None


@lru_cache(maxsize=256)
def guess_tables(quality: int, lower: float = 0) -> U8:
    """Tables (384,) guessed from quality and channel alone, `lower` by so many indices."""
    channel = np.arange(layout.CHANNELS)
    index = 44 + (quality - 40) * _TABLES_PER_QUALITY - 5.5 * np.log1p(channel) - lower
    return np.clip(index, 0, TABLES - 1).astype(np.uint8)
