# SPDX-License-Identifier: Apache-2.0
"""The encoder network: adds to a frame's samples before they are transformed.

Transforms are linear, so adding to samples adds to coefficients, whichever transform a block uses:
16x16, 8x8, 4x4 or none. Inputs are the source and, in units of the quantiser's step, the 8x8
transform of source minus prediction. Only senders run it, at any precision, on any device; decoders
do not need it. Its last layer starts at zero, which adds nothing. A weights file may hold one for
keyframes and one for inter frames.

    source, 96 channels at 1/8 ------+
    8x8 coefficients / step, log1p --+-> enter 1x1 -> (3x3, 3x3 + skip) x n -> leave 1x1 -> 96
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from streamcodec.errors import ModelError
from streamcodec.networks.conv.shape import QUALITIES, STEPS_Q3

Planes = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
Arrays = Mapping[str, npt.NDArray[np.generic]]
PATCH_CHANNELS = 96  # 8x8 luma, 4x4 U and 4x4 V samples
_KNOTS = 9
_SAMPLE_SCALE = 64.0
PREFIX = "encoder."


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """Width and depth. `STRONG` is for GPUs, `SMALL` for CPUs; both serve the same decoder."""

    channels: int
    blocks: int

    @property
    def multiplies_per_px(self) -> float:
        """Multiplications for each luma sample."""
        c = self.channels
        return (3 * PATCH_CHANNELS * c + 18 * c * c * self.blocks) / 64


STRONG = EncoderShape(128, 6)
SMALL = EncoderShape(64, 2)


def patches(planes: Planes) -> torch.Tensor:
    """(n, 96, H/8, W/8) of planes (n, 1, H, W) and half of it."""
    y, u, v = planes
    return torch.cat([F.pixel_unshuffle(y, 8), F.pixel_unshuffle(u, 4), F.pixel_unshuffle(v, 4)], 1)


def planes_of(channels: torch.Tensor) -> Planes:
    """The inverse of `patches`."""
    return (
        F.pixel_shuffle(channels[:, :64], 8),
        F.pixel_shuffle(channels[:, 64:80], 4),
        F.pixel_shuffle(channels[:, 80:], 4),
    )


def _bases() -> torch.Tensor:
    """(96, 96) orthonormal transforms of a patch: 8x8 luma, 4x4 chroma."""
    eight, four = _cosines(8), _cosines(4)
    whole = np.zeros((PATCH_CHANNELS, PATCH_CHANNELS))
    whole[:64, :64] = np.kron(eight, eight)
    whole[64:80, 64:80] = np.kron(four, four)
    whole[80:, 80:] = np.kron(four, four)
    return torch.from_numpy(whole.astype(np.float32))


def _cosines(size: int) -> npt.NDArray[np.float64]:
    """Orthonormal DCT-II as (frequency, sample)."""
    k, x = np.arange(size)[:, None], np.arange(size)[None]
    rows = np.cos(np.pi * (2 * x + 1) * k / (2 * size)) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return np.asarray(rows)


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1)
        self.b = nn.Conv2d(channels, channels, 3, padding=1)
        self.b.weight.data *= 0.3

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(x + self.b(F.relu(self.a(F.relu(x)))))


class EncoderNetwork(nn.Module):
    """The network with its weights; `forward` is differentiable."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        c = shape.channels
        self.enter = nn.Conv2d(2 * PATCH_CHANNELS, c, 1)
        self.by_quality = nn.Parameter(torch.zeros(_KNOTS, c))
        self.body = nn.Sequential(*(_Block(c) for _ in range(shape.blocks)))
        self.leave = nn.Conv2d(c, PATCH_CHANNELS, 1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)
        self.register_buffer("bases", _bases()[:, :, None, None], persistent=False)
        steps = torch.from_numpy(STEPS_Q3.astype(np.float32) / 8)
        by_channel = steps[:, [0] * 64 + [1] * 32]
        self.register_buffer("steps", by_channel, persistent=False)

    def forward(self, source: Planes, predicted: Planes, quality: torch.Tensor) -> Planes:
        """What to add to planes (n, 1, H, W) of grey levels, in grey levels; `quality` is (n,).

        `predicted` is grey (128) where nothing is predicted.
        """
        step = self.get_buffer("steps")[quality][:, :, None, None]
        x = patches(source)
        c = F.conv2d(x - patches(predicted), self.get_buffer("bases").to(x.dtype)) / step
        compressed = torch.sign(c) * torch.log1p(c.abs())
        place = quality.to(torch.float32) * ((_KNOTS - 1) / QUALITIES)
        knot = place.long()
        share = (place - knot)[:, None]
        bias = self.by_quality[knot] * (1 - share) + self.by_quality[knot + 1] * share
        inputs = torch.cat([(x - 128) / _SAMPLE_SCALE, compressed], 1)
        h = self.body(self.enter(inputs) + bias[:, :, None, None])
        return planes_of(self.leave(F.relu(h)).to(step.dtype) * step / 8)

    def to_arrays(self, kind: str) -> dict[str, npt.NDArray[np.generic]]:
        """Half-precision arrays for a weights file; `kind` is key or inter."""
        return {
            f"{PREFIX}{kind}.{name}": value.detach().to("cpu", torch.float16).contiguous().numpy()
            for name, value in self.state_dict().items()
        }


def from_arrays(arrays: Arrays, kind: str, device: torch.device) -> EncoderNetwork | None:
    """The encoder network of a frame type (key or inter) in a weights file, on a device.

    None if it has none. Raises ModelError.
    """
    prefix = f"{PREFIX}{kind}."
    own = {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
    if not own:
        return None
    try:
        channels = own["enter.weight"].shape[0]
        depth = sum(name.endswith(".a.weight") for name in own)
        network = EncoderNetwork(EncoderShape(channels, depth))
        network.load_state_dict(
            {name: torch.from_numpy(np.asarray(a, np.float32)) for name, a in own.items()}
        )
    except (KeyError, RuntimeError, IndexError) as wrong:
        raise ModelError(
            f"weights hold an encoder network of another version: {str(wrong).splitlines()[0]}"
        ) from None
    return network.to(device).eval()


def added_to(
    source: tuple[U8, U8, U8],
    predicted: tuple[U8, U8, U8] | None,
    quality: int,
    *,
    network: EncoderNetwork,
) -> tuple[F32, F32, F32]:
    """What the network adds to the source's planes (sides multiples of 16, chroma 8).

    `predicted` holds zeros in intra blocks; it is None in keyframes.
    """
    device = next(network.parameters()).device

    def moved(planes: tuple[U8, U8, U8]) -> Planes:
        y, u, v = (torch.from_numpy(p).to(device).to(torch.float32)[None, None] for p in planes)
        return y, u, v

    x = moved(source)
    if predicted is None:
        y, u, v = (torch.full_like(plane, 128) for plane in x)
        p = y, u, v
    else:
        p = moved(predicted)
    with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16):
        found = network(x, p, torch.tensor([quality], device=device))
    y, u, v = (plane[0, 0].float().cpu().numpy() for plane in found)
    return y, u, v
