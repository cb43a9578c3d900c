# SPDX-License-Identifier: Apache-2.0
"""Frames coded by dense arithmetic on a device: the interface of `streamcodec.encoder`.

The device searches motion, predicts, transforms, prices symbols by the prior, and chooses symbols
and counts. The core writes packets and rebuilds pictures from those, as a decoder does: packet and
reference agree, whatever the device's arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from streamcodec import _core, quantise
from streamcodec import contexts as cx
from streamcodec.blocks import layout
from streamcodec.dense import prior as priors
from streamcodec.dense import quantise as dense_quantise
from streamcodec.dense.analysis import DenseAnalysis, analyse_inter
from streamcodec.dense.device import Device
from streamcodec.dense.key import analyse_key
from streamcodec.dense.prices import Prices
from streamcodec.dense.transfers import Transfers
from streamcodec.effort import Effort
from streamcodec.encoder import FrameEncoder
from streamcodec.passes import (
    FEWEST_GROUPS,
    FIRST_PASS_ROUNDING,
    I16,
    I32,
    INTRA16,
    U8,
    Coding,
    FirstPass,
)

if TYPE_CHECKING:
    from streamcodec.analysis import Analysis
    from streamcodec.correction import Networks
    from streamcodec.effort import EffortParams
    from streamcodec.frame import Frame, Reference
    from streamcodec.model import Model
    from streamcodec.state import Planes
    from streamcodec.workspace import Workspace


@dataclass(frozen=True, slots=True, eq=False)
class DenseFirstPass(FirstPass):
    """A first pass whose arrays stay on the device."""

    device_tables: torch.Tensor  # (blocks, 384) int64
    most: torch.Tensor  # counts (rows, columns) int32
    memory: torch.Tensor  # the prior's inputs from the reference, (blocks, 491)


class DenseFrameEncoder(FrameEncoder):
    """Codes one frame against one reference at any quality; the analysis is shared.

    `transfers` logs what was copied between host and device.
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
        self.transfers = Transfers(device.device)

    def _analysed(self, quality: int) -> Analysis:
        if self._reference_state is None:
            return analyse_key(self.transfers, self._source, quality)
        return analyse_inter(
            self.transfers,
            self._source,
            self._reference_state,
            self._pool,
            exact=self._device.exact,
        )

    def _coding(self, quality: int) -> Coding:
        analysis = self.analysis_at(quality)
        if not isinstance(analysis, DenseAnalysis):
            return super()._coding(quality)
        state = self._state_at(analysis, quality)
        coding = DenseCoding(
            self._model,
            analysis,
            state,
            quality,
            moved=self._moved_of(analysis, state),
            workspace=self._workspace,
            pool=self._pool,
        )
        coding.run_on(self._device, self.transfers, analysis)
        return coding


class DenseCoding(Coding):
    """Two passes over an inter frame at one quality, on the device."""

    def run_on(self, device: Device, transfers: Transfers, analysis: DenseAnalysis) -> None:
        """Set the device; to be called first."""
        self._device = device
        self._transfers = transfers
        self._on_device = analysis.on_device
        self._steps = device.steps[self._quality]
        self._coefficients = device.target_coefficients(analysis.on_device, self._quality)

    @property
    def _dense_first(self) -> DenseFirstPass:
        assert isinstance(self._first, DenseFirstPass)
        return self._first

    def first_pass(self, params: EffortParams) -> FirstPass:
        """Price each symbol by the prior."""
        del params
        analysis, device = self._on_device, self._device
        symbols = dense_quantise.plainly(self._coefficients, self._steps, FIRST_PASS_ROUNDING)
        needed = dense_quantise.needed(symbols).reshape(analysis.modes.shape)
        counts = torch.where(analysis.modes >= INTRA16, needed.clamp(min=FEWEST_GROUPS), needed)
        memory = priors.memory(
            device.prior,
            analysis.moved,
            analysis.prediction,
            counted=(counts > 0) & (analysis.modes < INTRA16),
            steps_q3=self._steps_q3,
        )
        tables = self._tables_of(symbols, counts, analysis.splits, memory)
        host_counts = self._transfers.down("groups that may be coded", counts.to(torch.uint8))
        none = np.zeros((0, layout.CHANNELS), np.uint8)
        return DenseFirstPass(none, np.asarray(host_counts, np.uint8), tables, counts, memory)

    def _tables_of(
        self,
        symbols: torch.Tensor,
        counts: torch.Tensor,
        splits: torch.Tensor,
        memory: torch.Tensor,
    ) -> torch.Tensor:
        """Tables (blocks, 384) int64 that the prior chooses for symbols."""
        analysis, device = self._on_device, self._device
        misc = priors.misc(
            device.prior,
            modes=analysis.modes,
            splits=splits,
            counts=counts,
            field=analysis.field,
            moved_counts=analysis.moved_counts,
            intra_modes=analysis.intra_modes,
            quality=self._quality,
            reference_quality=self._reference_state.quality,
        )
        frame = priors.Frame(
            device.prior,
            key=False,
            quality=self._quality,
            misc=misc,
            memory=memory,
            shape=(analysis.modes.shape[0], analysis.modes.shape[1]),
        )
        return frame.tables(symbols)

    def _find_tables(self, blocks: _core.Blocks, symbols: I16) -> U8:
        if not self._device.exact:
            return super()._find_tables(blocks, symbols)
        splits = torch.where(self._counts > 0, self._on_device.splits, 0)
        found = self._tables_of(self._symbols, self._counts, splits, self._dense_first.memory)
        return np.asarray(self._transfers.down("tables", found.to(torch.uint8)), np.uint8)

    def _remember(self, blocks: _core.Blocks) -> None:
        if not self._device.exact:
            super()._remember(blocks)

    def feature_rows(self, blocks: _core.Blocks, symbols: I16) -> list[tuple[int, int, I32, U8]]:
        """Rows of features (n, features) of each group and phase, from the core."""
        super()._remember(blocks)
        return super().feature_rows(blocks, symbols)

    def _code(self, blocks: _core.Blocks, tables: U8, symbols: I16, lambda_scale: float) -> Planes:
        """Choose symbols on the device, lower blocks.counts; rebuild the picture in the core."""
        del tables
        analysis, first, state = self._on_device, self._dense_first, self._reference_state
        trend = cx.quality_trend(self._quality, state.quality)
        prices = Prices(
            self._transfers,
            state.contexts,
            analysis.reference_counts,
            analysis.reference_field,
            trend,
        )
        hurdle = self._transfers.up("hurdle", self._hurdle()).to(torch.float32)
        self._symbols, self._counts = dense_quantise.choose(
            self._coefficients,
            self._steps,
            first.device_tables,
            costs=self._device.costs,
            mu=lambda_scale * quantise.MU,
            blocks=dense_quantise.BlockLimits(analysis.free, analysis.modes, first.most, hurdle),
            prices=prices,
        )
        symbols[:] = self._transfers.down("symbols", self._symbols.to(torch.int16))
        blocks.counts[:] = self._transfers.down("counts", self._counts.to(torch.uint8))
        y, u, v = self._analysis.prediction
        planes = (y.copy(), u.copy(), v.copy())
        intra = blocks.modes >= INTRA16
        blocks.counts[intra] = 0
        _core.rebuild(blocks, symbols, self._channel_steps_q3, planes, self._pool)
        if intra.any():
            self._code_intra(
                blocks, np.flatnonzero(intra), symbols, planes, lambda_scale=lambda_scale
            )
        return planes

    def _code_intra(
        self,
        blocks: _core.Blocks,
        numbers: np.ndarray[tuple[int], np.dtype[np.intp]],
        symbols: I16,
        planes: Planes,
        *,
        lambda_scale: float,
    ) -> None:
        """Intra blocks start from decoded neighbours, one after the other: the core codes them."""
        analysis, state, first = self._analysis, self._reference_state, self._dense_first
        transfers = self._transfers
        device_numbers = transfers.up("numbers of intra blocks", numbers.astype(np.int64))
        tables = np.zeros(symbols.shape, np.uint8)
        found_tables = first.device_tables[device_numbers].to(torch.uint8)
        tables[numbers] = transfers.down("tables of intra blocks", found_tables)
        counts = blocks.counts.copy()
        blocks.counts[:] = 0
        blocks.counts.reshape(-1)[numbers] = first.counts.reshape(-1)[numbers]
        found = np.zeros_like(symbols)
        _core.code(
            self._workspace.blocks,
            _core.CodeParams(
                mu=lambda_scale * quantise.MU, trend=cx.quality_trend(self._quality, state.quality)
            ),
            analysis.source,
            blocks,
            np.zeros(symbols.shape, np.float32),
            tables,
            self._model.costs_q8,
            self._channel_steps_q3,
            state.contexts,
            state.counts,
            analysis.free,
            np.zeros_like(counts),
            found,
            planes,
        )
        symbols[numbers] = found[numbers]
        counts.reshape(-1)[numbers] = blocks.counts.reshape(-1)[numbers]
        blocks.counts[:] = counts
        own = transfers.up("symbols of intra blocks", found[numbers]).to(torch.int32)
        self._symbols = self._symbols.index_copy(0, device_numbers, own)
        self._counts = transfers.up("counts with intra blocks", counts).to(torch.int32)
