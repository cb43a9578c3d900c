# SPDX-License-Identifier: Apache-2.0
"""The prior on a device: which table codes which symbol. The integers of docs/bitstream.md, 8, 9.

Products are of float32 that hold integers: their sums stay below 2**24, so every device adds them
exactly. All blocks of a phase are asked, whether they code the group or not.
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
from streamcodec.dense.motion import turns
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
        self.stacks = {place: _stack(arrays, place, device) for place in priors.places()}
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


def _stack(arrays: priors.Arrays, place: priors.Place, device: torch.device) -> Stack:
    def moved(part: str, kind: type[np.generic]) -> torch.Tensor:
        return torch.from_numpy(np.asarray(arrays[f"{place.name}.{part}"]).astype(kind)).to(device)

    return Stack(
        *(moved(f"w{k}", np.float32) for k in "123"), *(moved(f"b{k}", np.int32) for k in "123")
    )


class Frame:
    """What the prior knows of one frame before its symbols."""

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
        self._key = key
        self._quality = quality
        self._misc = misc
        self._memory = memory
        self._shape = shape
        rows, columns = shape
        device = prior.device
        grid = F.pad(
            torch.arange(rows * columns, device=device).reshape(rows, columns),
            (1, 1, 1, 1),
            value=rows * columns,  # a row of zeros
        )
        self._around = [
            grid[1 + dy : 1 + dy + rows, 1 + dx : 1 + dx + columns].reshape(-1) for dy, dx in AROUND
        ]

    def tables(self, symbols: torch.Tensor) -> torch.Tensor:
        """Tables (blocks, 384) int64 for symbols (blocks, 384)."""
        prior = self._prior
        count = len(symbols)
        device = prior.device
        sizes = symbols.abs().clamp(max=15)
        magnitudes = prior.magnitude[sizes[:, :SHOWN].long()]
        sums = sizes.to(torch.float32) @ prior.bands
        energies = prior.energy[sums.clamp(max=511).long()]
        shown = torch.zeros((count + 1, SHOWN), device=device)
        energy = torch.zeros((count + 1, layout.BANDS), device=device)
        found = torch.zeros((count, layout.CHANNELS), dtype=torch.int64, device=device)
        both = turns(*self._shape, device)
        for group in range(GROUPS):
            first, last = GROUP_STARTS[group], GROUP_STARTS[group + 1]
            own = layout.BAND[first:last]
            bands = slice(int(own.min()), int(own.max()) + 1)
            for phase in range(2):
                turn = both[phase]
                stack = prior.stacks[priors.Place(0 if self._key else 1, group, phase)]
                rows = self.rows(turn, shown, energy)
                found[turn, first:last] = stack.tables(rows, self._quality)
                if first < SHOWN:
                    shown[turn, first:last] = magnitudes[turn, first:last]
                energy[turn, bands] = energies[turn, bands]
        return found

    def rows(self, turn: torch.Tensor, shown: torch.Tensor, energy: torch.Tensor) -> torch.Tensor:
        """Features (n, 328 or 819) of the blocks whose turn it is."""
        parts = [shown[turn]]
        parts += [energy[near[turn]] for near in self._around]
        parts += [shown[near[turn], :LOW] for near in self._around[:4]]
        parts.append(self._misc[turn])
        if self._memory is not None:
            parts.append(self._memory[turn])
        return torch.cat(parts, 1)


def memory(
    prior: Prior,
    moved: torch.Tensor,
    prediction: Planes,
    *,
    counted: torch.Tensor,
    steps_q3: tuple[int, int],
) -> torch.Tensor:
    """(blocks, 491): moved magnitudes and what the prediction shows; 0 where not `counted`."""
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
    """(blocks, 48) float32 of what the syntax says: grids int32, the last (2 rows, 2 columns)."""
    rows, columns = modes.shape
    out = torch.zeros((MISC, rows, columns), dtype=torch.int32, device=modes.device)
    for mode in range(4):
        out[mode] = 127 * (modes == mode)
    out[4] = 127 * (splits != 0)
    for count in range(1, 5):
        out[4 + count] = 127 * (counts == count)
    wide = F.pad(counts, (1, 1, 1, 1))
    within = F.pad((modes >= 2).to(torch.int32), (1, 1, 1, 1))
    inside = F.pad(torch.ones_like(counts), (1, 1, 1, 1))
    for n, (dy, dx) in enumerate(AROUND):
        part = (slice(1 + dy, 1 + dy + rows), slice(1 + dx, 1 + dx + columns))
        out[9 + n] = 31 * wide[part]
        if n < 4:
            out[23] += 31 * within[part]
            out[24 + n] = 127 * (1 - inside[part])
    out[17] = 31 * moved_counts
    own = field[::2, ::2]
    out[18] = _energy(prior, own.abs().sum(-1))
    left, above = field[::2, 1::2], field[1::2, ::2]
    out[19, :, 1:] = _energy(prior, (own[:, 1:] - left[:, :-1]).abs().sum(-1))
    out[20, 1:] = _energy(prior, (own[1:] - above[:-1]).abs().sum(-1))
    out[21] = min(max(64 + quality - reference_quality, 0), 127)
    out[22] = 2 * quality
    out[28] = 127 * ((own & 3) != 0).any(-1)
    kinds = (splits - 1).clamp(min=0)
    for k in range(4):
        digit = kinds // 3**k % 3
        out[40] += 31 * (digit == 1)
        out[41] += 31 * (digit == 2)
        way = intra_modes[k >> 1 :: 2, k & 1 :: 2]
        known = modes >= 2
        for flat in range(2):
            out[29 + flat] += 31 * (known & (way == flat))
        for d in range(_DIRECTIONS):
            near = (31 - 8 * (way - 2 - 4 * d).abs()).clamp(min=0)
            out[31 + d] += torch.where(known & (way >= 2), near, 0)
    return out.reshape(MISC, -1).T.to(torch.float32).contiguous()


def _energy(prior: Prior, sums: torch.Tensor) -> torch.Tensor:
    return prior.energy[sums.clamp(max=511).long()].to(torch.int32)


def move(
    field: torch.Tensor, inter: torch.Tensor, memory_before: torch.Tensor, counts: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Memory (blocks, 384) and counts (rows, columns) from where each block came from."""
    rows, columns = counts.shape
    both = field[::2, ::2] + field[1::2, 1::2]
    y = torch.arange(rows, device=field.device)[:, None] + ((both[..., 0] + 64) >> 7)
    x = torch.arange(columns, device=field.device)[None] + ((both[..., 1] + 64) >> 7)
    at = (y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1)).long()
    moved = memory_before[at.reshape(-1)] * inter.reshape(-1, 1)
    return moved, counts.reshape(-1)[at] * inter
