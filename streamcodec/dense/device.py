# SPDX-License-Identifier: Apache-2.0
"""A model on a device: what all its frames share, and whether the device computes it exactly."""

from __future__ import annotations

import numpy as np
import torch

from streamcodec import _core
from streamcodec.blocks import transform
from streamcodec.dense import compensate
from streamcodec.dense.prior import Prior
from streamcodec.dense.shifts import Windows, shifts
from streamcodec.model import Model
from streamcodec.networks import prior as priors
from streamcodec.state import Planes

_ROWS = 40  # of features, for each stack
_SHAPE = (3, 4)  # blocks of the picture that is predicted


class Device:
    """Tensors of a model on a device.

    What a packet depends on, tables and prediction, is held against the core here. `exact` says
    whether they are equal; where they are not, the core computes both, and what the device says of
    them only guides decisions.
    """

    def __init__(self, model: Model, device: torch.device) -> None:
        assert model.stacks is not None
        self.device = device
        self.prior = Prior(model.stacks, device)
        self.costs = torch.from_numpy(model.costs_q8.astype(np.float32) / 256).to(device)
        self.steps = torch.from_numpy(transform.CHANNEL_STEPS_Q3.astype(np.float32) / 8).to(device)
        self.exact = self._tables_are_exact(model) and self._prediction_is_exact()

    def _tables_are_exact(self, model: Model) -> bool:
        for place in priors.places():
            rows = priors.fixed_rows(place, _ROWS)
            there = torch.from_numpy(rows).to(self.device).to(torch.float32)
            for quality in (0, 37):
                found = self.prior.stacks[place].tables(there, quality).to("cpu").numpy()
                own = model.prior.tables(place.kind == 0, place.group, place.phase, rows, quality)
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
