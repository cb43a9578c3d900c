# SPDX-License-Identifier: Apache-2.0
"""The encoder's block transforms as matrices, for gradients.

The matrices are computed with the core's transforms, so channels are the same. All are orthonormal:
the transpose is the inverse.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec import _core
from streamcodec.blocks import layout

Planes = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
_UNIFORM = (0, 1, 41, 81)  # splits: one transform; all quarters 8x8, all 4x4, all without one
_POWERS = (1, 3, 9, 27)


@dataclass(frozen=True, slots=True, eq=False)
class _Matrices:
    """Rows are channels: of luma in the order of `places`, of chroma in channel order."""

    whole: torch.Tensor  # (256, 256)
    quarters: torch.Tensor  # (3 kinds, 4 quarters, 64, 64)
    chroma: torch.Tensor  # (128, 128)
    places: torch.Tensor  # (384,) position of each channel: 4 x 64 of luma, then chroma


@lru_cache(maxsize=4)
def _matrices(device: torch.device) -> _Matrices:
    found = np.zeros((len(_UNIFORM), layout.CHANNELS, layout.CHANNELS), np.float32)
    samples = np.eye(layout.CHANNELS, dtype=np.float32)
    out = np.zeros(layout.CHANNELS, np.float32)
    for number, split in enumerate(_UNIFORM):
        for sample in range(layout.CHANNELS):
            _core.block_forward(samples[sample], split, out)
            found[number, :, sample] = out
    order = layout.ORDER
    quarter = np.where(order < 256, 2 * (order >> 4 & 1) + (order & 1), 4)
    own = [np.flatnonzero(quarter == k) for k in range(4)]
    chroma = np.flatnonzero(quarter == 4)
    listed = np.concatenate([*own, chroma])
    inside = [_samples_of(k) for k in range(4)]
    quarters = np.stack(
        [
            np.stack([found[kind + 1][np.ix_(own[k], inside[k])] for k in range(4)])
            for kind in range(3)
        ]
    )
    return _Matrices(
        torch.from_numpy(found[0][listed[:256]][:, :256].copy()).to(device),
        torch.from_numpy(quarters).to(device),
        torch.from_numpy(found[0][np.ix_(chroma, np.arange(256, 384))]).to(device),
        torch.from_numpy(np.argsort(listed)).to(device),
    )


def _samples_of(quarter: int) -> np.ndarray:
    rows = 8 * (quarter >> 1) + np.arange(8)
    columns = 8 * (quarter & 1) + np.arange(8)
    return np.asarray((16 * rows[:, None] + columns[None]).ravel())


def forward(planes: Planes, splits: torch.Tensor) -> torch.Tensor:
    """Channels (n, rows, columns, 384) of planes (n, 1, H, W), each block by its split."""
    y, u, v = planes
    own = _matrices(y.device)
    n, rows, columns = splits.shape
    blocks = F.pixel_unshuffle(y, 16).permute(0, 2, 3, 1)  # (n, rows, columns, 256)
    quarters = blocks.reshape(-1, 2, 8, 2, 8).permute(0, 1, 3, 2, 4).reshape(-1, 4, 64)
    whole = (blocks.reshape(-1, 256) @ own.whole.T).reshape(-1, 4, 64)
    parted = _by_kind(quarters, own.quarters.transpose(2, 3), splits)
    luma = torch.where((splits == 0).reshape(-1, 1, 1), whole, parted)
    chroma = torch.cat([F.pixel_unshuffle(u, 8), F.pixel_unshuffle(v, 8)], 1)
    coded = chroma.permute(0, 2, 3, 1).reshape(-1, 128) @ own.chroma.T
    listed = torch.cat([luma.reshape(-1, 256), coded], 1)
    return listed[:, own.places].reshape(n, rows, columns, layout.CHANNELS)


def inverse(channels: torch.Tensor, splits: torch.Tensor) -> Planes:
    """The inverse of `forward`."""
    own = _matrices(channels.device)
    n, rows, columns = splits.shape
    listed = channels.reshape(-1, layout.CHANNELS)[:, torch.argsort(own.places)]
    luma, coded = listed[:, :256], listed[:, 256:]
    shaped = _by_kind(luma.reshape(-1, 4, 64), own.quarters, splits)
    parted = shaped.reshape(-1, 2, 2, 8, 8).permute(0, 1, 3, 2, 4).reshape(-1, 256)
    blocks = torch.where((splits == 0).reshape(-1, 1), luma @ own.whole, parted)
    chroma = (coded @ own.chroma).reshape(n, rows, columns, 128).permute(0, 3, 1, 2)
    y = F.pixel_shuffle(blocks.reshape(n, rows, columns, 256).permute(0, 3, 1, 2), 16)
    return y, F.pixel_shuffle(chroma[:, :64], 8), F.pixel_shuffle(chroma[:, 64:], 8)


def _by_kind(quarters: torch.Tensor, by: torch.Tensor, splits: torch.Tensor) -> torch.Tensor:
    """(blocks, 4, 64) quarters times the matrix of their transform: `by` (3, 4, 64, 64)."""
    powers = torch.tensor(_POWERS, device=splits.device)
    kinds = (splits.reshape(-1, 1).int() - 1).clamp(min=0) // powers % 3
    found = torch.bmm(quarters.transpose(0, 1), by[0]).transpose(0, 1)
    for kind in (1, 2):  # seldom
        for quarter in range(4):
            which = (kinds[:, quarter] == kind).nonzero()[:, 0]
            if len(which):
                column = torch.full_like(which, quarter)
                one = quarters[which, quarter] @ by[kind, quarter]
                found = found.index_put((which, column), one)
    return found
