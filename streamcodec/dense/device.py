# SPDX-License-Identifier: Apache-2.0
"""A model on a device: tensors that all frames share, and whether the device is exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from streamcodec import _core
from streamcodec.blocks import transform
from streamcodec.dense import compensate
from streamcodec.dense import transform as transforms
from streamcodec.dense.prior import Prior
from streamcodec.dense.shifts import Windows, shifts
from streamcodec.model import Model
from streamcodec.networks import prior as priors
from streamcodec.state import Planes

if TYPE_CHECKING:
    from streamcodec.dense.analysis import DeviceAnalysis

_ROWS = 40  # of features, for each stack
_SHAPE = (3, 4)  # blocks of the picture that is predicted


# An encoder network (networks/conv/encoder.py): of planes (1, 1, H, W) float32 of source and
# prediction (zeros in intra blocks) and a quality (1,), what to add to the source in grey levels.
Adding = Callable[[compensate.Planes, compensate.Planes, torch.Tensor], compensate.Planes]


class Device:
    """Tensors of a model on a device.

    Packets depend on tables and prediction, so the device's are compared with the core's. `exact`:
    both are equal. If not, the core computes both for the packet, and the device's only guide
    decisions. `adding` is an encoder network for inter frames; decoders do not need it.
    """

    def __init__(self, model: Model, device: torch.device, *, adding: Adding | None = None) -> None:
        assert model.stacks is not None
        self.device = device
        self._adding = adding
        self.prior = Prior(model.stacks, device)
        self.costs = torch.from_numpy(model.costs_q8.astype(np.float32) / 256).to(device)
        self.steps = torch.from_numpy(transform.CHANNEL_STEPS_Q3.astype(np.float32) / 8).to(device)
        self.exact = self._tables_are_exact(model) and self._prediction_is_exact()

    @torch.inference_mode()
    def target_coefficients(self, analysis: DeviceAnalysis, quality: int) -> torch.Tensor:
        """Coefficients (blocks, 384) to quantise: the residual, and what `adding` adds."""
        if self._adding is None:
            return analysis.coefficients
        qualities = torch.full((1,), quality, device=self.device)
        y, u, v = (plane.to(torch.float32)[None, None] for plane in analysis.source)
        predicted = tuple(plane.to(torch.float32)[None, None] for plane in analysis.prediction)
        added = self._adding((y, u, v), (predicted[0], predicted[1], predicted[2]), qualities)
        planes = tuple(plane[0, 0].to(torch.float32) for plane in added)
        moved = transforms.by_splits((planes[0], planes[1], planes[2]), analysis.splits)
        return analysis.coefficients + moved

    def _tables_are_exact(self, model: Model) -> bool:
        for stack_id in priors.stack_ids():
            rows = priors.fixed_rows(stack_id, _ROWS)
            inputs = torch.from_numpy(rows).to(self.device).to(torch.float32)
            for quality in (0, 37):
                found = self.prior.stacks[stack_id].tables(inputs, quality).to("cpu").numpy()
                own = model.prior.tables(
                    stack_id.frame_type == 0, stack_id.group, stack_id.phase, rows, quality
                )
                if not np.array_equal(found, own):
                    return False
        return True

    def _prediction_is_exact(self) -> bool:
        rng = np.random.default_rng(3)
        rows, columns = _SHAPE
        y, u, v = (
            rng.integers(0, 256, (side * rows, side * columns)).astype(np.uint8)
            for side in (16, 8, 8)
        )
        blocks = _core.Blocks(rows, columns)
        blocks.modes[:] = 1
        blocks.field[:] = rng.integers(-40, 40, blocks.field.shape)
        blocks.intra_modes[:] = -1
        own: Planes = (np.zeros_like(y), np.zeros_like(u), np.zeros_like(v))
        _core.predict((y, u, v), blocks, own)
        luma, *chroma = (torch.from_numpy(plane).to(self.device) for plane in (y, u, v))
        found = compensate.predict(
            Windows(shifts(luma)),
            (chroma[0], chroma[1]),
            torch.from_numpy(blocks.field.astype(np.int32)).to(self.device),
            torch.ones(_SHAPE, dtype=torch.bool, device=self.device),
        )
        return all(np.array_equal(a.to("cpu").numpy(), b) for a, b in zip(found, own, strict=True))
