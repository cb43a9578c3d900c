# SPDX-License-Identifier: Apache-2.0
"""Frames coded by dense arithmetic on a device: the interface of `streamcodec.encoder`.

The device finds motion, predicts, transforms, asks the prior what symbols would cost, and chooses
symbols and counts. The core writes packets and rebuilds pictures from what was chosen, as a decoder
does: whatever the device's arithmetic, what is sent and what is kept agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from streamcodec import _core, bitstream, quantise
from streamcodec import contexts as cx
from streamcodec.analysis import KEY_BUCKET
from streamcodec.blocks import layout
from streamcodec.dense import prior as priors
from streamcodec.dense import quantise as dense_quantise
from streamcodec.dense.analysis import DenseAnalysis, analyse_inter
from streamcodec.dense.device import Device
from streamcodec.dense.key import analyse_key
from streamcodec.dense.moves import Moves
from streamcodec.dense.prices import Prices
from streamcodec.effort import Effort
from streamcodec.encoder import FrameEncoder
from streamcodec.passes import (
    FEWEST_GROUPS,
    FIRST_PASS_ROUNDING,
    I16,
    I32,
    INTRA16,
    U8,
    Attempt,
    Coding,
    FirstPass,
)

if TYPE_CHECKING:
    from streamcodec.analysis import Analysis
    from streamcodec.correction import Network, Networks
    from streamcodec.effort import Trying
    from streamcodec.frame import Frame, Reference
    from streamcodec.model import Model
    from streamcodec.state import Planes
    from streamcodec.workspace import Workspace


@dataclass(frozen=True, slots=True, eq=False)
class DenseFirst(FirstPass):
    """What the first pass leaves on the device."""

    there: torch.Tensor  # tables (blocks, 384) int64
    most: torch.Tensor  # counts (rows, columns) int32
    memory: torch.Tensor  # what the prior sees of the reference, (blocks, 491)


class DenseFrameEncoder(FrameEncoder):
    """Codes one frame against one reference at any quality; the analysis is shared.

    `moves` says what went between host and device for it.
    """

    def __init__(
        self,
        model: Model,
        frame: Frame,
        reference: Reference | None,
        *,
        device: Device,
        effort: Effort = Effort.NORMAL,
        workspace: Workspace | None = None,
        networks: Networks | None = None,
        pool: _core.Pool | None = None,
    ) -> None:
        super().__init__(
            model,
            frame,
            reference,
            effort=effort,
            workspace=workspace,
            networks=networks,
            pool=pool,
        )
        self._device = device
        self.moves = Moves(device.device)

    def _look(self, quality: int) -> Analysis:
        key = self._reference_state is None
        bucket = quality // KEY_BUCKET if key else 0
        if bucket not in self._seen:
            self._seen[bucket] = (
                analyse_key(self.moves, self._source, quality)
                if self._reference_state is None
                else analyse_inter(
                    self.moves,
                    self._source,
                    self._reference_state,
                    self._pool,
                    exact=self._device.exact,
                )
            )
        return self._seen[bucket]

    def _coding(self, quality: int) -> Coding:
        seen = self._look(quality)
        if not isinstance(seen, DenseAnalysis):
            return super()._coding(quality)
        state = self._state_at(seen, quality)
        coding = DenseCoding(
            self._model,
            seen,
            state,
            quality,
            moved=self._moved_of(seen, state),
            workspace=self._workspace,
            pool=self._pool,
        )
        coding.begin(self._device, self.moves, seen)
        return coding


class DenseCoding(Coding):
    """Two passes over an inter frame at one quality, on the device."""

    def begin(self, device: Device, moves: Moves, seen: DenseAnalysis) -> None:
        """Hand over the device."""
        self._device = device
        self._moves = moves
        self._there = seen.there
        self._steps = device.steps[self._quality]
        self._coefficients = device.wanted(seen.there, self._quality)
        self._first: DenseFirst | None = None

    def first_pass(self, trying: Trying) -> FirstPass:
        """Learn what each symbol would cost, from the prior."""
        del trying
        there, device = self._there, self._device
        symbols = dense_quantise.plainly(self._coefficients, self._steps, FIRST_PASS_ROUNDING)
        needed = dense_quantise.needed(symbols).reshape(there.modes.shape)
        counts = torch.where(there.modes >= INTRA16, needed.clamp(min=FEWEST_GROUPS), needed)
        memory = priors.memory(
            device.prior,
            there.moved,
            there.prediction,
            counted=(counts > 0) & (there.modes < INTRA16),
            steps_q3=self._steps_q3,
        )
        tables = self._ask(symbols, counts, there.splits, memory)
        here = self._moves.down("groups that may be coded", counts.to(torch.uint8))
        none = np.zeros((0, layout.CHANNELS), np.uint8)
        return DenseFirst(none, np.asarray(here, np.uint8), tables, counts, memory)

    def attempt(
        self,
        first: FirstPass,
        weighing: float,
        header: bitstream.PacketHeader,
        network: Network | None,
    ) -> Attempt:
        """Final symbols by rate and distortion, the picture, and the packet, no network asked."""
        assert isinstance(first, DenseFirst)
        self._first = first
        return super().attempt(first, weighing, header, network)

    def _ask(
        self,
        symbols: torch.Tensor,
        counts: torch.Tensor,
        splits: torch.Tensor,
        memory: torch.Tensor,
    ) -> torch.Tensor:
        """Tables (blocks, 384) int64 that the prior chooses for symbols."""
        there, device = self._there, self._device
        misc = priors.misc(
            device.prior,
            modes=there.modes,
            splits=splits,
            counts=counts,
            field=there.field,
            moved_counts=there.moved_counts,
            intra_modes=there.intra_modes,
            quality=self._quality,
            reference_quality=self._reference_state.quality,
        )
        frame = priors.Frame(
            device.prior,
            key=False,
            quality=self._quality,
            misc=misc,
            memory=memory,
            shape=(there.modes.shape[0], there.modes.shape[1]),
        )
        return frame.tables(symbols)

    def _find_tables(self, blocks: _core.Blocks, symbols: I16) -> U8:
        if not self._device.exact:
            return super()._find_tables(blocks, symbols)
        first, there = self._first, self._there
        assert first is not None
        splits = torch.where(self._counts > 0, there.splits, 0)
        found = self._ask(self._symbols, self._counts, splits, first.memory)
        return np.asarray(self._moves.down("tables", found.to(torch.uint8)), np.uint8)

    def _remember(self, blocks: _core.Blocks) -> None:
        if not self._device.exact:
            super()._remember(blocks)

    def feature_rows(self, blocks: _core.Blocks, symbols: I16) -> list[tuple[int, int, I32, U8]]:
        """Rows of features (n, features) of each group and phase, from the core."""
        super()._remember(blocks)
        return super().feature_rows(blocks, symbols)

    def _code(self, blocks: _core.Blocks, tables: U8, symbols: I16, weighing: float) -> Planes:
        """Choose symbols on the device; lowers blocks.counts; rebuild the picture here."""
        del tables
        there, first, state = self._there, self._first, self._reference_state
        assert first is not None
        trend = cx.quality_trend(self._quality, state.quality)
        prices = Prices(
            self._moves, state.contexts, there.reference_counts, there.reference_field, trend
        )
        hurdle = self._moves.up("hurdle", self._hurdle()).to(torch.float32)
        self._symbols, self._counts = dense_quantise.choose(
            self._coefficients,
            self._steps,
            first.there,
            costs=self._device.costs,
            mu=weighing * quantise.MU,
            blocks=dense_quantise.Blocks(there.free, there.modes, first.most, hurdle),
            prices=prices,
        )
        symbols[:] = self._moves.down("symbols", self._symbols.to(torch.int16))
        blocks.counts[:] = self._moves.down("counts", self._counts.to(torch.uint8))
        y, u, v = self._seen.prediction
        planes = (y.copy(), u.copy(), v.copy())
        new = blocks.modes >= INTRA16
        blocks.counts[new] = 0
        _core.rebuild(blocks, symbols, self._channel_steps_q3, planes, self._pool)
        if new.any():
            self._code_new(blocks, np.flatnonzero(new), symbols, planes, weighing=weighing)
        return planes

    def _code_new(
        self,
        blocks: _core.Blocks,
        numbers: np.ndarray[tuple[int], np.dtype[np.intp]],
        symbols: I16,
        planes: Planes,
        *,
        weighing: float,
    ) -> None:
        """Intra blocks start from decoded neighbours, one after the other: the core codes them."""
        seen, state, first = self._seen, self._reference_state, self._first
        assert first is not None
        moves = self._moves
        there = moves.up("numbers of new blocks", numbers.astype(np.int64))
        tables = np.zeros(symbols.shape, np.uint8)
        tables[numbers] = moves.down("tables of new blocks", first.there[there].to(torch.uint8))
        counts = blocks.counts.copy()
        blocks.counts[:] = 0
        blocks.counts.reshape(-1)[numbers] = first.counts.reshape(-1)[numbers]
        found = np.zeros_like(symbols)
        _core.code(
            self._workspace.blocks,
            _core.CodeParams(
                mu=weighing * quantise.MU, trend=cx.quality_trend(self._quality, state.quality)
            ),
            seen.source,
            blocks,
            np.zeros(symbols.shape, np.float32),
            tables,
            self._model.costs_q8,
            self._channel_steps_q3,
            state.contexts,
            state.counts,
            seen.free,
            np.zeros_like(counts),
            found,
            planes,
        )
        symbols[numbers] = found[numbers]
        counts.reshape(-1)[numbers] = blocks.counts.reshape(-1)[numbers]
        blocks.counts[:] = counts
        own = moves.up("symbols of new blocks", found[numbers]).to(torch.int32)
        self._symbols = self._symbols.index_copy(0, there, own)
        self._counts = moves.up("counts with new blocks", counts).to(torch.int32)
