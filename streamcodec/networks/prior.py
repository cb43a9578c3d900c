# SPDX-License-Identifier: Apache-2.0
"""The prior: for every symbol, which of 64 tables codes it. An exact integer network.

    features (networks/features.py) -> 96 hidden -> 96 hidden -> table index of each channel of the
    group

One such stack per frame type, group and checkerboard phase; keyframes have no reference. The
quality enters as a bias of the first layer and of the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from streamcodec.blocks import layout
from streamcodec.networks import features, integer

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]

PHASES = 2


@dataclass(frozen=True, slots=True)
class Stack:
    """Weights of one group and phase, as the products take them: (inputs, outputs)."""

    first: torch.Tensor
    second: torch.Tensor
    third: torch.Tensor
    first_bias: I32  # (64 qualities, hidden)
    second_bias: I32  # (hidden,)
    base: I32  # (64 qualities, channels of the group)

    def tables(self, rows: U8, quality: int) -> U8:
        """Table index of every channel: (n, channels) from (n, features)."""
        hidden = np.empty((len(rows), self.first.shape[1]), np.uint8)
        integer.activate(integer.product(rows, self.first), self.first_bias[quality], hidden)
        again = np.empty_like(hidden)
        integer.activate(integer.product(hidden, self.second), self.second_bias, again)
        out = np.empty((len(rows), self.third.shape[1]), np.uint8)
        integer.table_indices(integer.product(again, self.third), self.base[quality], out)
        return out


@dataclass(frozen=True, slots=True)
class Prior:
    """Both frame types' stacks: [frame type][group][phase]; type 0 is the keyframe."""

    stacks: tuple[tuple[tuple[Stack, ...], ...], ...]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> Prior:
        """Build from stored integers; names as `stack_name` makes them."""

        def weight(name: str) -> torch.Tensor:
            return integer.matrix(np.asarray(arrays[name], np.int8))

        def bias(name: str) -> I32:
            return np.ascontiguousarray(arrays[name], np.int32)

        return cls(
            tuple(
                tuple(
                    tuple(
                        Stack(
                            weight(f"{stack_name(kind, g, p)}.w1"),
                            weight(f"{stack_name(kind, g, p)}.w2"),
                            weight(f"{stack_name(kind, g, p)}.w3"),
                            bias(f"{stack_name(kind, g, p)}.b1"),
                            bias(f"{stack_name(kind, g, p)}.b2"),
                            bias(f"{stack_name(kind, g, p)}.b3"),
                        )
                        for p in range(PHASES)
                    )
                    for g in range(layout.GROUPS)
                )
                for kind in range(2)
            )
        )


def stack_name(kind: int, group: int, phase: int) -> str:
    """Name of a stack in the weights file."""
    return f"prior.{'key' if kind == 0 else 'inter'}.{group}.{phase}"


def walk(
    counts: U8,
    symbols: I16,
    misc_rows: U8,
    reference: U8 | None,
    visit: Callable[[int, int, I32, U8], None],
) -> None:
    """Go through groups and phases in coding order.

    `visit(group, phase, blocks, rows)` gets the blocks whose turn it is (flat indices) and their
    features, and must leave their symbols of the group in `symbols` (blocks, 384) before it
    returns; an encoder has them there already. `reference` is `features.reference_rows`, None in
    keyframes.
    """
    rows, columns = counts.shape
    parity = (np.arange(rows)[:, None] + np.arange(columns)[None]).ravel() & 1
    flat = counts.ravel()
    shown = np.zeros((rows * columns, features.OWN), np.uint8)
    energy = np.zeros((rows * columns, features.BANDS), np.uint8)
    width = features.KEY_FEATURES if reference is None else features.INTER_FEATURES
    looked_at = np.zeros((1, 1), np.uint8) if reference is None else reference
    for group in range(layout.GROUPS):
        for phase in range(PHASES):
            blocks = np.flatnonzero((flat > group) & (parity == phase)).astype(np.int32)
            if not blocks.size:
                continue
            inputs = np.empty((blocks.size, width), np.uint8)
            features.rows(
                blocks,
                columns,
                rows,
                shown,
                energy,
                misc_rows,
                looked_at,
                reference is not None,
                inputs,
            )
            visit(group, phase, blocks, inputs)
            features.reveal(symbols, blocks, group, shown, energy)
