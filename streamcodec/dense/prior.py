# SPDX-License-Identifier: Apache-2.0
"""The prior on a device: which table codes which symbol. The integers of docs/bitstream.md, 8, 9.

Products are of float32 that hold integers: their sums stay below 2**24, so every device adds them
exactly. Tables are computed for all blocks of a phase, whether they code the group or not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec import _core
from streamcodec.blocks import layout
from streamcodec.blocks.layout import GROUP_STARTS, GROUPS
from streamcodec.dense.constants import constant
from streamcodec.dense.motion import phases
from streamcodec.dense.transform import tiles
from streamcodec.networks import prior as priors

Planes = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

SHOWN = 96
LOW = 24
MISC = 48
AROUND = ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))
_DIRECTIONS = 9


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """One network: weights (inputs, outputs) and biases, float32."""

    w1: torch.Tensor
    w2: torch.Tensor
    w3: torch.Tensor
    b1: torch.Tensor
    b2: torch.Tensor
    b3: torch.Tensor

    def tables(self, rows: torch.Tensor, quality: int) -> torch.Tensor:
        """Table indices (n, channels) int64 of features (n, inputs) float32."""
        hidden = _activated(rows @ self.w1, self.b1[quality])
        again = _activated(hidden @ self.w2, self.b2)
        sums = (again @ self.w3).to(torch.int32) + self.b3[quality]
        return ((sums + 128) >> 8).clamp_(0, 63).to(torch.int64)


def _activated(products: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    sums = products.to(torch.int32) + bias
    return ((sums + 32) >> 6).clamp_(0, 127).to(torch.float32)


class Prior:
    """A model's stacks on a device."""

    def __init__(self, arrays: priors.Arrays, device: torch.device) -> None:
        self.device = device
        self.stacks = {
            stack_id: _stack(arrays, stack_id, device) for stack_id in priors.stack_ids()
        }
        magnitude = [min(127, round(46 * math.log1p(v))) for v in range(16)]
        energy = [min(127, round(22 * math.log1p(v))) for v in range(512)]
        self.magnitude = torch.tensor(magnitude, dtype=torch.float32).to(device)
        self.energy = torch.tensor(energy, dtype=torch.float32).to(device)
        bands = np.zeros((layout.CHANNELS, layout.BANDS), np.float32)
        bands[np.arange(layout.CHANNELS), layout.BAND] = 1
        self.bands = torch.from_numpy(bands).to(device)
        self.luma = torch.from_numpy(_core.luma_basis().astype(np.float32)).to(device)
        self.chroma = torch.from_numpy(_core.chroma_basis().astype(np.float32)).to(device)
        self.order = torch.from_numpy(layout.ORDER.astype(np.int64)).to(device)


def _stack(arrays: priors.Arrays, stack_id: priors.StackId, device: torch.device) -> Stack:
    def moved(part: str, kind: type[np.generic]) -> torch.Tensor:
        return torch.from_numpy(np.asarray(arrays[f"{stack_id.name}.{part}"]).astype(kind)).to(
            device
        )

    return Stack(
        *(moved(f"w{k}", np.float32) for k in "123"), *(moved(f"b{k}", np.int32) for k in "123")
    )


class Frame:
    """The prior's inputs of one frame, but the symbols."""

    def __init__(
        self,
        prior: Prior,
        *,
        key: bool,
        quality: int,
        misc: torch.Tensor,
        memory: torch.Tensor | None,
        shape: tuple[int, int],
    ) -> None:
        self._prior = prior
        self._frame_type = 0 if key else 1
        self._quality = quality
        inputs = misc if memory is None else torch.cat([misc, memory], 1)
        rows, columns = shape
        every = torch.arange(rows * columns, device=prior.device).reshape(rows, columns)
        grid = F.pad(every, (1, 1, 1, 1), value=rows * columns)  # outside: a row of zeros
        around = torch.stack(
            [grid[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns] for dy, dx in AROUND], -1
        ).reshape(-1, len(AROUND))
        self._phases = phases(rows, columns, prior.device)
        self._around = [around[numbers] for numbers in self._phases]
        self._inputs = [inputs[numbers] for numbers in self._phases]

    def tables(self, symbols: torch.Tensor) -> torch.Tensor:
        """Tables (blocks, 384) int64 for symbols (blocks, 384)."""
        prior = self._prior
        count = len(symbols)
        sizes = symbols.abs().clamp(max=15)
        magnitudes = prior.magnitude[sizes[:, :SHOWN]]
        sums = sizes.to(torch.float32) @ prior.bands
        energies = prior.energy[sums.clamp(max=511).to(torch.int64)]
        # The last row is what lies outside the picture.
        shown = torch.zeros((count + 1, SHOWN), device=prior.device)
        energy = torch.zeros((count + 1, layout.BANDS), device=prior.device)
        found = torch.zeros((count, layout.CHANNELS), dtype=torch.int64, device=prior.device)
        for group in range(GROUPS):
            first, last = GROUP_STARTS[group], GROUP_STARTS[group + 1]
            own = layout.BAND[first:last]
            bands = slice(int(own.min()), int(own.max()) + 1)
            for phase, (numbers, around, inputs) in enumerate(
                zip(self._phases, self._around, self._inputs, strict=True)
            ):
                parts = [
                    shown[numbers],
                    energy[around].flatten(1),
                    shown[:, :LOW][around[:, :4]].flatten(1),
                    inputs,
                ]
                stack = prior.stacks[priors.StackId(self._frame_type, group, phase)]
                tables = stack.tables(torch.cat(parts, 1), self._quality)
                found[:, first:last].index_copy_(0, numbers, tables)
                if first < SHOWN:
                    part = magnitudes[:, first:last]
                    shown[:, first:last].index_copy_(0, numbers, part[numbers])
                energy[:, bands].index_copy_(0, numbers, energies[:, bands][numbers])
        return found


def memory(
    prior: Prior,
    moved: torch.Tensor,
    prediction: Planes,
    *,
    counted: torch.Tensor,
    steps_q3: tuple[int, int],
) -> torch.Tensor:
    """(blocks, 491): moved magnitudes and the prediction's spectrum; 0 where not `counted`."""
    y, u, v = prediction
    sums = torch.cat(
        [
            (tiles(y, 16).to(torch.float32) - 128) @ prior.luma,
            (tiles(u, 8).to(torch.float32) - 128) @ prior.chroma,
            (tiles(v, 8).to(torch.float32) - 128) @ prior.chroma,
        ],
        1,
    )
    at = torch.arange(layout.CHANNELS, device=y.device)
    units = torch.where(at < 256, 127 * 8 * steps_q3[0], 127 * 4 * steps_q3[1])
    levels = (sums.abs().to(torch.int64) * 16 // units).clamp(max=15)[:, prior.order]
    shown = prior.magnitude[levels[:, :SHOWN]]
    bands = prior.energy[(levels.to(torch.float32) @ prior.bands).clamp(max=511).long()]
    rows = torch.cat([prior.magnitude[moved.clamp(max=15).long()], shown, bands], 1)
    return rows * counted.reshape(-1, 1)


def misc(
    prior: Prior,
    *,
    modes: torch.Tensor,
    splits: torch.Tensor,
    counts: torch.Tensor,
    field: torch.Tensor,
    moved_counts: torch.Tensor,
    intra_modes: torch.Tensor,
    quality: int,
    reference_quality: int,
) -> torch.Tensor:
    """(blocks, 48) float32 features of the syntax.

    Arguments are int32 grids (rows, columns), `intra_modes` (2 rows, 2 columns). Directional modes
    do not occur: the dense encoder has none.
    """
    rows, columns = modes.shape
    device = modes.device

    def neighbours_of(grid: torch.Tensor, positions: tuple[tuple[int, int], ...]) -> torch.Tensor:
        wide = F.pad(grid, (1, 1, 1, 1))
        return torch.stack(
            [wide[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns] for dy, dx in positions]
        )

    four = constant(((0,), (1,), (2,), (3,)), device)[..., None]  # (4, 1, 1)
    powers = constant(((1,), (3,), (9,), (27,)), device)[..., None]
    own = field[::2, ::2]
    left = F.pad(own[:, 1:] - field[::2, 1::2][:, :-1], (0, 0, 1, 0))
    above = F.pad(own[1:] - field[1::2, ::2][:-1], (0, 0, 0, 0, 1, 0))
    energies = _energy(prior, torch.stack([own, left, above]).abs().sum(-1))
    cells = intra_modes.reshape(rows, 2, columns, 2).transpose(1, 2).flatten(2)  # -1 in others
    digits = (splits - 1).clamp(min=0) // powers % 3
    inside = neighbours_of(torch.ones_like(counts), AROUND[:4])
    intra_around = neighbours_of((modes >= 2).to(torch.int32), AROUND[:4]).sum(0, keepdim=True)
    change = min(max(64 + quality - reference_quality, 0), 127)
    parts = [
        127 * (modes == four),
        127 * (splits != 0)[None],
        127 * (counts == four + 1),
        31 * neighbours_of(counts, AROUND),
        31 * moved_counts[None],
        energies,
        torch.full((1, rows, columns), change, device=device),
        torch.full((1, rows, columns), 2 * quality, device=device),
        31 * intra_around,
        127 * (1 - inside),
        127 * ((own & 3) != 0).any(-1)[None],
        31 * torch.stack([(cells == flat).sum(-1) for flat in range(2)]),
        torch.zeros((_DIRECTIONS, rows, columns), dtype=torch.int64, device=device),
        31 * torch.stack([(digits == kind).sum(0) for kind in (1, 2)]),
        torch.zeros((6, rows, columns), dtype=torch.int64, device=device),
    ]
    return torch.cat(parts).reshape(MISC, -1).T.to(torch.float32).contiguous()


def _energy(prior: Prior, sums: torch.Tensor) -> torch.Tensor:
    return prior.energy[sums.clamp(max=511)].to(torch.int64)


def move(
    field: torch.Tensor, inter: torch.Tensor, reference_memory: torch.Tensor, counts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Memory (blocks, 384) and counts (rows, columns) from where each block came from."""
    rows, columns = counts.shape
    both = field[::2, ::2] + field[1::2, 1::2]
    y = torch.arange(rows, device=field.device)[:, None] + ((both[..., 0] + 64) >> 7)
    x = torch.arange(columns, device=field.device)[None] + ((both[..., 1] + 64) >> 7)
    at = (y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1)).long()
    moved = reference_memory[at.reshape(-1)] * inter.reshape(-1, 1)
    return moved, counts.reshape(-1)[at] * inter
