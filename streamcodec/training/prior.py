# SPDX-License-Identifier: Apache-2.0
"""Fits the integer prior, with rounding in the forward pass (straight-through gradients).

Each stack is fitted alone on rows from `collect`. The loss is the price in bits by the integer
tables, interpolated between neighbouring tables so that the index has a gradient. Afterwards the
tables are refitted to the symbols that each index coded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from streamcodec.entropy import tables
from streamcodec.networks.prior import StackId
from streamcodec.training.collect import Rows

ANCHORS = 17  # qualities 0, 4, ..., 64 between which biases are interpolated


def _through(exact: Tensor, smooth: Tensor) -> Tensor:
    """`exact` forwards, the gradient of `smooth` backwards."""
    return smooth + (exact - smooth).detach()


def _spread(anchors: Tensor) -> Tensor:
    """(64, n) from (ANCHORS, n) by linear interpolation over quality."""
    at = torch.arange(64, dtype=torch.float32) / 4
    low = at.floor().long()
    part = (at - low).unsqueeze(1)
    return anchors[low] * (1 - part) + anchors[low + 1] * part


class TrainableStack(nn.Module):
    """One stack in floats that round to its integers; unit: a step of an activation."""

    def __init__(
        self, inputs: int, hidden: int, channels: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.skipped_steps = 0  # whose gradient was not finite
        self.w1 = nn.Parameter(
            torch.randn(inputs, hidden, generator=generator) * (1.0 / inputs) ** 0.5
        )
        self.w2 = nn.Parameter(
            torch.randn(hidden, hidden, generator=generator) * (2.0 / hidden) ** 0.5
        )
        self.w3 = nn.Parameter(torch.zeros(hidden, channels))
        self.b1 = nn.Parameter(torch.zeros(ANCHORS, hidden))
        self.b2 = nn.Parameter(torch.zeros(hidden))
        self.b3 = nn.Parameter(torch.full((ANCHORS, channels), 20.0))

    @staticmethod
    def _weight(real: Tensor) -> Tensor:
        return _through((real * 64).round().clamp(-127, 127), real * 64)

    @staticmethod
    def _act(sums: Tensor) -> Tensor:
        value = sums / 64
        return _through(torch.floor(value + 0.5).clamp(0, 127), value.clamp(0, 127))

    def _biases(self) -> tuple[Tensor, Tensor, Tensor]:
        b1 = _spread(self.b1) * 64
        b3 = _spread(self.b3) * 256
        b2 = self.b2 * 64
        return _through(b1.round(), b1), _through(b2.round(), b2), _through(b3.round(), b3)

    def forward(self, inputs: Tensor, quality: Tensor) -> Tensor:
        """Real-valued table index (n, channels); rounded, it is the coder's."""
        b1, b2, b3 = self._biases()
        hidden = self._act(inputs @ self._weight(self.w1) + b1[quality])
        hidden = self._act(hidden @ self._weight(self.w2) + b2)
        return ((hidden @ self._weight(self.w3) + b3[quality]) / 256).clamp(0, 63)

    def arrays(self, name: str) -> dict[str, npt.NDArray[np.generic]]:
        """The integers, as `networks.prior.build` reads them."""
        with torch.no_grad():
            b1, b2, b3 = self._biases()
            result: dict[str, npt.NDArray[np.generic]] = {
                f"{name}.w1": self._weight(self.w1).numpy().astype(np.int8),
                f"{name}.w2": self._weight(self.w2).numpy().astype(np.int8),
                f"{name}.w3": self._weight(self.w3).numpy().astype(np.int8),
                f"{name}.b1": b1.numpy().astype(np.int32),
                f"{name}.b2": b2.numpy().astype(np.int32),
                f"{name}.b3": b3.numpy().astype(np.int32),
            }
        return result

    def load_arrays(self, name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Start from stored integers."""
        with torch.no_grad():
            for k in (1, 2, 3):
                getattr(self, f"w{k}").copy_(torch.from_numpy(arrays[f"{name}.w{k}"] / 64.0))
            for key, unit in (("b1", 64.0), ("b3", 256.0)):
                full = torch.from_numpy(arrays[f"{name}.{key}"] / unit).float()
                ends = torch.cat((full[::4], full[-1:]))
                getattr(self, key).copy_(ends)
            self.b2.copy_(torch.from_numpy(arrays[f"{name}.b2"] / 64.0))


def price(index: Tensor, targets: Tensor, costs_bits: Tensor) -> Tensor:
    """Bits of each row, interpolated between the two nearest tables. costs_bits is (64, 16)."""
    low = index.detach().floor().clamp(0, 62)
    part = index - low
    flat = low.long() * 16 + targets
    table = costs_bits.reshape(-1)
    return (table[flat] * (1 - part) + table[flat + 16] * part).sum(1)


@dataclass(frozen=True, slots=True, eq=False)
class StackData:
    """All rows of one stack in one piece."""

    stack: StackId
    inputs: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.uint8]
    quality: npt.NDArray[np.uint8]
    weight: npt.NDArray[np.float32]


def gather(rows: Sequence[Rows], stack: StackId) -> StackData:
    """Concatenate what belongs to a stack; weights are scaled to a mean of 1 and bounded."""
    mine = [r for r in rows if r.stack == stack]
    weight = np.concatenate([r.weight for r in mine])
    weight = np.clip(weight / weight.mean(), 0.05, 10).astype(np.float32)
    return StackData(
        stack,
        np.concatenate([r.inputs for r in mine]),
        np.concatenate([r.targets for r in mine]),
        np.concatenate([r.quality for r in mine]),
        weight,
    )


def fit(
    data: StackData,
    costs_q8: npt.NDArray[np.int32],
    *,
    steps: int,
    batch: int = 1024,
    rate: float = 2e-3,
    hidden: int = 96,
    start: dict[str, npt.NDArray[np.generic]] | None = None,
    seed: int = 0,
) -> tuple[TrainableStack, float, float]:
    """Train one stack; returns it with its mean bits a row before and after, on held-out rows."""
    # torch applies its thread count to a thread only once this is called in it; otherwise products
    # in all threads but the first use all cores, and are many times slower when those are busy.
    torch.get_num_threads()
    rng = np.random.default_rng(seed)
    channels = data.stack.channels
    generator = torch.Generator().manual_seed(seed)
    stack = TrainableStack(data.stack.features, hidden, channels, generator)
    if start is not None:
        stack.load_arrays(data.stack.name, start)
    costs = torch.from_numpy(costs_q8 / 256.0).float()
    count = len(data.inputs)
    held = np.arange(count - max(count // 20, 1), count)

    def bits() -> float:
        total = 0.0
        with torch.no_grad():
            for at in range(0, len(held), 4096):
                pick = held[at : at + 4096]
                index = stack(
                    torch.from_numpy(data.inputs[pick]).float(),
                    torch.from_numpy(data.quality[pick]).long(),
                )
                exact = torch.floor(index + 0.5)
                spent = price(exact, torch.from_numpy(data.targets[pick]).long(), costs)
                total += float((spent * torch.from_numpy(data.weight[pick])).sum())
        return total / len(held)

    optimiser = torch.optim.Adam(stack.parameters(), rate, betas=(0.9, 0.98))
    # With a cycle of ten steps the rise has length zero, and OneCycleLR divides by it.
    cycle = max(steps, 20)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, cycle, pct_start=0.1)
    before = bits()
    for _ in range(steps):
        pick = rng.integers(0, count - len(held), min(batch, count))
        index = stack(
            torch.from_numpy(data.inputs[pick]).float(),
            torch.from_numpy(data.quality[pick]).long(),
        )
        spent = price(index, torch.from_numpy(data.targets[pick]).long(), costs)
        loss = (spent * torch.from_numpy(data.weight[pick])).mean() / channels
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
        norm = nn.utils.clip_grad_norm_(stack.parameters(), 1.0)
        if torch.isfinite(norm):
            optimiser.step()
        else:
            stack.skipped_steps += 1
        schedule.step()
    return stack, before, bits()


def histogram(stack: TrainableStack, data: StackData) -> npt.NDArray[np.float64]:
    """(64, 16) weighted count of magnitudes by table index."""
    counts = np.zeros((tables.TABLES, tables.MAGNITUDES))
    with torch.no_grad():
        for at in range(0, len(data.inputs), 4096):
            part = slice(at, at + 4096)
            index = stack(
                torch.from_numpy(data.inputs[part]).float(),
                torch.from_numpy(data.quality[part]).long(),
            )
            exact = torch.floor(index + 0.5).long().numpy()
            weight = np.repeat(data.weight[part, None], exact.shape[1], 1)
            np.add.at(counts, (exact, data.targets[part]), weight)
    return counts


def refit(
    counts: npt.NDArray[np.float64], current: npt.NDArray[np.uint16]
) -> npt.NDArray[np.uint16]:
    """Tables from counts, with the present tables as a prior for rare indices."""
    old = np.diff(current.astype(np.float64), axis=1) / tables.TOTAL
    return tables.from_probabilities(counts + 300 * old + 1e-9)
