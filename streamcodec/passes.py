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
from streamcodec.effort import Trying
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
# Below 1/2, so that the first pass leaves about what the weighed second one will.
FIRST_PASS_ROUNDING = 0.35
# What coding a still block must gain when the frame is not to be finer than its reference: else it
# only quantises the reference's own error once more. Costs nothing on clips that move.
_NEWS_BITS = 96
_STILL_SHARE = 0.97
_NOISE = 2  # quarter samples
_TABLES_PER_QUALITY = 0.45  # by which an index rises with quality
_INTER_LOWER = 6  # what prediction leaves is that much lower
_GROUP_STARTS = np.array(layout.GROUP_STARTS)
FEWEST_GROUPS = 2  # that the second pass may code in an intra block, whatever the first one did


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """A frame coded at one quality.

    `weighing` is what a bit was worth in it, relative to `quantise.MU`. `planes` is the decoded
    picture (sides multiples of 16), `unfiltered` the same before the loop filter where it is kept
    (training asks for it); `symbols`, `tables` and `moved` are (blocks, 384). Where a network may
    yet correct the picture, `prefix` is the payload written before the levels, and `room_bytes`
    what a budget keeps for them.
    """

    quality: int
    weighing: float
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
        """What a budget counts: the packet, and room for levels that are not in it yet."""
        return len(self.packet) + self.room_bytes


@dataclass(frozen=True, slots=True, eq=False)
class FirstPass:
    """What the first pass of a quality leaves: tables, and groups that may be coded."""

    tables: U8
    counts: U8


class Coding:
    """Two passes over one frame at one quality."""

    def __init__(
        self,
        model: Model,
        seen: Analysis,
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
        self._seen = seen
        self._added = added
        self._shifted: npt.NDArray[np.float32] | None = None
        self._reference_state = state
        self._quality = quality
        self._workspace = workspace
        self._pool = pool
        self._steps_q3 = transform.plane_steps_q3(quality)
        self._channel_steps_q3 = transform.CHANNEL_STEPS_Q3[quality]
        self._moved, self._moved_counts = moved
        self._remembered = False  # what the prior is told of the reference

    def first_pass(self, trying: Trying) -> FirstPass:
        """Learn what each symbol would cost: from the prior, or from what the reference had."""
        seen = self._seen
        blocks = seen.blocks.copy()
        wanted, steps_q3 = self._wanted(), self._channel_steps_q3
        before = None if trying.prices_asked or seen.key else self._reference_state.tables
        if before is not None:
            _core.count_groups(wanted, steps_q3, FIRST_PASS_ROUNDING, blocks.counts)
            _core.keep_intra(blocks, FEWEST_GROUPS)
            return FirstPass(self._tables_of_reference(before, blocks.counts), blocks.counts)
        symbols = self._room_for_symbols()
        if seen.key:
            # Neighbours must be decoded ones already here: predicted from the source, a smooth
            # block seems to need nothing, and errors would spread unseen.
            blocks.counts[:] = layout.GROUPS
            guess = np.tile(guess_tables(self._quality), (len(symbols), 1))
            self._code(blocks, guess, symbols, weighing=1.0)
        else:
            _core.quantise_plainly(wanted, steps_q3, FIRST_PASS_ROUNDING, symbols, blocks.counts)
        _core.keep_intra(blocks, FEWEST_GROUPS)
        return FirstPass(self._find_tables(blocks, symbols), blocks.counts)

    def _tables_of_reference(self, coded_by: U8, counts: U8) -> U8:
        """The tables that coded each block where it came from, shifted to this quality."""
        found = np.empty_like(coded_by)
        shift = round(_TABLES_PER_QUALITY * (self._quality - self._reference_state.quality))
        otherwise = guess_tables(self._quality, _INTER_LOWER)
        _core.guess_tables(self._seen.blocks, counts, coded_by, shift, otherwise, found)
        return found

    def attempt(
        self,
        first: FirstPass,
        weighing: float,
        header: bitstream.PacketHeader,
        network: Network | None,
    ) -> Attempt:
        """The second pass without what a network adds; `network` only keeps room for it."""
        seen, state, model = self._seen, self._reference_state, self._model
        blocks, symbols, planes = self._chosen(first.counts, first.tables, weighing)
        found = self._find_tables(blocks, symbols)
        for _ in range(self._rounds if not seen.key else 0):
            # What was coded says more of prices than the first pass did.
            known = _GROUP_STARTS[blocks.counts.ravel()][:, None] > np.arange(layout.CHANNELS)
            prices = np.where(known, found, first.tables)
            blocks, symbols, planes = self._chosen(first.counts, prices, weighing)
            found = self._find_tables(blocks, symbols)
        contexts = state.contexts.copy()
        writer = _core.Writer()
        writer.blocks(
            contexts,
            seen.key,
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
            weighing=weighing,
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
        """The same with what the network adds, in the areas where that pays."""
        if attempt.prefix is None:
            return attempt
        seen = self._seen
        stage = Stage(
            network,
            self._quality,
            attempt.blocks,
            None if seen.key else seen.prediction,
            self._workspace.conv,
            self._pool,
        )
        levels, planes = stage.choose(seen.source, attempt.planes, self._steps_q3)
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

    def _chosen(self, counts: U8, tables: U8, weighing: float) -> tuple[_core.Blocks, I16, Planes]:
        """Final symbols where bits cost what these tables say; the picture they make."""
        blocks = self._seen.blocks.copy()
        blocks.counts[:] = counts
        if self._rounds:
            self._remember(blocks)  # the next round may code others of these
        symbols = self._room_for_symbols()
        planes = self._code(blocks, tables, symbols, weighing)
        _core.forget_splits(blocks)
        return blocks, symbols, planes

    def _room_for_symbols(self) -> I16:
        """Symbols (blocks, 384) that whoever fills them writes all of."""
        blocks = self._seen.blocks
        return np.empty((blocks.rows * blocks.columns, layout.CHANNELS), np.int16)

    def _find_tables(self, blocks: _core.Blocks, symbols: I16) -> U8:
        """Tables (blocks, 384) that the prior finds for these symbols."""
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
        """Rows of features (n, features) of each group and phase, with the blocks they are of."""
        self._describe(blocks)
        rows = _core.feature_rows(self._workspace.prior, blocks.counts, symbols)
        return [(group, phase, turn.ravel(), inputs) for group, phase, turn, inputs in rows]

    def _describe(self, blocks: _core.Blocks) -> None:
        """Tell the prior all but the symbols."""
        seen = self._seen
        prior = self._workspace.prior
        _core.describe(
            prior,
            blocks,
            self._moved_counts,
            self._quality,
            self._reference_state.quality,
            seen.key,
        )
        self._remember(blocks)

    def _wanted(self) -> npt.NDArray[np.float32]:
        """Of source and what is added to it, less the prediction."""
        if self._added is None:
            return self._seen.coefficients
        if self._shifted is None:
            coefficients = self._seen.coefficients
            self._shifted = self._workspace.floats("shifted", coefficients.shape)
            np.copyto(self._shifted, coefficients)
            _core.shift_coefficients(self._added, self._seen.blocks, self._shifted, self._pool)
        return self._shifted

    def _remember(self, blocks: _core.Blocks) -> None:
        """Tell the prior of the reference: once, of all blocks that may be coded."""
        if self._remembered or self._seen.key:
            return
        self._remembered = True
        _core.remember_reference(
            self._workspace.prior,
            blocks,
            self._moved,
            self._seen.prediction,
            *self._steps_q3,
            self._pool,
        )

    def _code(self, blocks: _core.Blocks, tables: U8, symbols: I16, weighing: float) -> Planes:
        """Choose symbols; lowers blocks.counts to what is coded; returns the picture."""
        seen, state = self._seen, self._reference_state
        y, u, v = seen.prediction
        planes = (y.copy(), u.copy(), v.copy())
        params = _core.CodeParams(
            mu=weighing * (quantise.KEY_MU if seen.key else quantise.MU),
            trend=cx.quality_trend(self._quality, state.quality),
        )
        _core.code(
            self._workspace.blocks,
            params,
            seen.source,
            blocks,
            self._wanted(),
            tables,
            self._model.costs_q8,
            self._channel_steps_q3,
            state.contexts,
            state.counts,
            seen.free,
            self._hurdle(),
            symbols,
            planes,
            self._added,
        )
        return planes

    def _hurdle(self) -> U8:
        """Bits (rows, columns) that coding a block must gain."""
        seen = self._seen
        hurdle = np.zeros((seen.blocks.rows, seen.blocks.columns), np.uint8)
        if not seen.key and self._quality <= self._reference_state.quality:
            _core.set_hurdle(seen.blocks, seen.free, _NEWS_BITS, _STILL_SHARE, _NOISE, hurdle)
        return hurdle

    def _filter(self, blocks: _core.Blocks, planes: Planes) -> U8 | None:
        """Run the loop filter where it helps; which areas, or None when nowhere."""
        seen = self._seen
        weights = filter_of(self._model, seen.key, self._quality)
        if not weights.any() or not (blocks.counts.any() or seen.key):
            return None
        # An area's flag is one bit or less: worth lambda squared errors.
        luma, chroma = (int(quantise.MU * (step / 8) ** 2) for step in self._steps_q3)
        flags = _core.filter_search(
            seen.source,
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
    """Tables (384,) by nothing but quality and channel, and how much `lower`."""
    channel = np.arange(layout.CHANNELS)
    index = 44 + (quality - 40) * _TABLES_PER_QUALITY - 5.5 * np.log1p(channel) - lower
    return np.clip(index, 0, TABLES - 1).astype(np.uint8)
