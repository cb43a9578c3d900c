# SPDX-License-Identifier: Apache-2.0
"""The decoder network's inputs, in integers that are equal on every device.

A sample enters as its deviation from the mean of the 3x3 cells around its own (a cell is 4x4 luma
or 2x2 chroma samples), in eighths of the quantiser's step, so that quantisation errors look alike
at every quality. Differences to the prediction are in the same unit.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (its usual name)

from streamcodec.networks.conv.shape import INPUT_MIN, STEPS_Q3

UNITS_PER_STEP = 8
_DEVIATION_BITS = 20
_DIFFERENCE_BITS = 16
_LARGEST = 63

Planes = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _factors(samples: int, bits: int) -> torch.Tensor:
    """(64, 2) factors of a sum of `samples` differences, with `bits` fraction bits."""
    exact = (8 * UNITS_PER_STEP << bits) / (samples * STEPS_Q3.astype(np.float64))
    return torch.from_numpy(np.rint(exact).astype(np.int32))


_LUMA_DEVIATION = _factors(144, _DEVIATION_BITS)[:, 0]
_CHROMA_DEVIATION = _factors(36, _DEVIATION_BITS)[:, 1]
_DIFFERENCE = _factors(1, _DIFFERENCE_BITS)


def _scaled(values: torch.Tensor, factors: torch.Tensor, bits: int) -> torch.Tensor:
    factor = factors.to(values.device)[:, None, None, None]
    return ((values * factor + (1 << (bits - 1))) >> bits).clamp(INPUT_MIN, _LARGEST)


def _around(sums: torch.Tensor) -> torch.Tensor:
    """Sums of 3x3 cells, the last ones repeated beyond the edge. Exact: all are below 2**24."""
    padded = F.pad(sums.to(torch.float32), (1, 1, 1, 1), mode="replicate")
    return (F.avg_pool2d(padded, 3, stride=1) * 9).round().to(torch.int32)


def _plane(
    plane: torch.Tensor, side: int, factors: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Deviations (n, side**2, h, w) and means (n, 1, h, w) of a plane (n, 1, H, W), int32."""
    cells = F.pixel_unshuffle(plane, side)
    sums = cells.sum(1, keepdim=True, dtype=torch.int32)
    deviations = cells * (9 * side * side) - _around(sums)
    means = (sums >> (5 if side == 4 else 3)) + INPUT_MIN
    return _scaled(deviations, factors, _DEVIATION_BITS), means


def at_quarter(planes: Planes, predicted: Planes | None, quality: torch.Tensor) -> torch.Tensor:
    """Inputs (n, 27 or 51, H/4, W/4), int32 in -64..63.

    Planes are int32 (n, 1, H, W) and half of it, H and W multiples of 16; `quality` is (n,).
    """
    q = quality.cpu().long()
    y, u, v = planes
    found = [
        _plane(y, 4, _LUMA_DEVIATION[q]),
        _plane(u, 2, _CHROMA_DEVIATION[q]),
        _plane(v, 2, _CHROMA_DEVIATION[q]),
    ]
    parts = [deviations for deviations, _ in found] + [means for _, means in found]
    if predicted is not None:
        for number, (plane, guess) in enumerate(zip(planes, predicted, strict=True)):
            cells = F.pixel_unshuffle(plane - guess, 2 if number else 4)
            parts.append(_scaled(cells, _DIFFERENCE[q, min(number, 1)], _DIFFERENCE_BITS))
    return torch.cat(parts, 1)


def maps(counts: torch.Tensor, modes: torch.Tensor, splits: torch.Tensor) -> torch.Tensor:
    """(n, 5, H/8, W/8) int32 of block maps (n, rows, columns): count, mode, transform, position."""
    n, rows, columns = counts.shape

    def twice(blocks: torch.Tensor) -> torch.Tensor:
        return blocks.repeat_interleave(2, -2).repeat_interleave(2, -1)

    down = torch.arange(2 * rows, device=counts.device)[:, None].expand(-1, 2 * columns) & 1
    across = torch.arange(2 * columns, device=counts.device)[None].expand(2 * rows, -1) & 1
    split = twice(splits.to(torch.int32))
    digit = (1 + 2 * across) * (1 + 8 * down)  # 1, 3, 9, 27, without a table on the device
    kind = torch.where(split > 0, 1 + (split - 1).clamp(min=0) // digit % 3, 0)
    return torch.stack(
        [
            16 * twice(counts.to(torch.int32)),
            21 * twice(modes.to(torch.int32)),
            21 * kind.to(torch.int32),
            (63 * down).to(torch.int32).expand(n, -1, -1),
            (63 * across).to(torch.int32).expand(n, -1, -1),
        ],
        1,
    )
