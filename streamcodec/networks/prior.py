# SPDX-License-Identifier: Apache-2.0
"""The prior: for every symbol, which of 64 tables codes it. An exact integer network.

    features -> hidden -> hidden -> table index of each channel of the group

One such stack per frame type, group and checkerboard phase; keyframes have no reference. The
quality enters as a bias of the first layer and of the last. The native core runs it; `twin_tables`
is the same in plain int64, and the core is compared with it when weights are loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streamcodec import _core
from streamcodec.blocks import layout
from streamcodec.errors import ModelError

I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
Arrays = Mapping[str, npt.NDArray[np.generic]]

PHASES = 2
KEY_FEATURES = 328
INTER_FEATURES = 819
QUALITIES = 64
_ACTIVATION_SHIFT = 6
_INDEX_SHIFT = 8


class StackId(NamedTuple):
    """Which stack: frame type (0 keyframe, 1 inter frame), group, checkerboard phase."""

    frame_type: int
    group: int
    phase: int

    @property
    def name(self) -> str:
        """Its name in the weights file."""
        return f"prior.{'key' if self.frame_type == 0 else 'inter'}.{self.group}.{self.phase}"

    @property
    def features(self) -> int:
        """Inputs of its first layer."""
        return KEY_FEATURES if self.frame_type == 0 else INTER_FEATURES

    @property
    def channels(self) -> int:
        """Channels of its group."""
        return layout.GROUP_STARTS[self.group + 1] - layout.GROUP_STARTS[self.group]


def stack_ids() -> Iterator[StackId]:
    """All stacks of a model."""
    for frame_type in range(2):
        for group in range(layout.GROUPS):
            for phase in range(PHASES):
                yield StackId(frame_type, group, phase)


def build(arrays: Arrays) -> _core.Prior:
    """The prior as the core runs it. Raises KeyError for an absent array, ModelError for others."""
    prior = _core.Prior()
    for stack_id in stack_ids():
        w1, w2, w3 = (np.ascontiguousarray(arrays[f"{stack_id.name}.w{k}"], np.int8) for k in "123")
        b1, b2, b3 = (
            np.ascontiguousarray(arrays[f"{stack_id.name}.b{k}"], np.int32) for k in "123"
        )
        try:
            prior.add(
                stack_id.frame_type == 0, stack_id.group, stack_id.phase, w1, w2, w3, b1, b2, b3
            )
        except (ValueError, TypeError) as error:
            raise ModelError(f"weights hold a damaged {stack_id.name}: {error}") from None
    return prior


def twin_tables(arrays: Arrays, stack_id: StackId, rows: U8, quality: int) -> U8:
    """Table indices (n, channels) of rows (n, features) in 0..127, in plain int64."""

    def product(inputs: I64, part: str) -> I64:
        return np.asarray(inputs @ np.asarray(arrays[f"{stack_id.name}.{part}"], np.int64))

    def bias(part: str) -> I64:
        return np.asarray(arrays[f"{stack_id.name}.{part}"], np.int64)

    def activated(sums: I64) -> I64:
        half = 1 << (_ACTIVATION_SHIFT - 1)
        return np.asarray(np.clip((sums + half) >> _ACTIVATION_SHIFT, 0, 127))

    hidden = activated(product(rows.astype(np.int64), "w1") + bias("b1")[quality])
    again = activated(product(hidden, "w2") + bias("b2"))
    sums = product(again, "w3") + bias("b3")[quality]
    return np.asarray(np.clip((sums + (1 << (_INDEX_SHIFT - 1))) >> _INDEX_SHIFT, 0, 63), np.uint8)


def fixed_rows(stack_id: StackId, count: int) -> U8:
    """Fixed inputs for the self test, without a random generator."""
    # Knuth's multiplicative hash.
    mixed = np.arange(count * stack_id.features, dtype=np.uint64) * np.uint64(2654435761)
    rows = ((mixed >> np.uint64(13)) % np.uint64(128)).astype(np.uint8)
    return rows.reshape(count, stack_id.features)


def check(prior: _core.Prior, arrays: Arrays, *, rows: int = 4) -> None:
    """Compare the core with the twin on fixed inputs. Raises ModelError where they differ."""
    for stack_id in stack_ids():
        inputs = fixed_rows(stack_id, rows)
        quality = 17 * (stack_id.group + 1) % QUALITIES
        found = prior.tables(
            stack_id.frame_type == 0, stack_id.group, stack_id.phase, inputs, quality
        )
        if not np.array_equal(found, twin_tables(arrays, stack_id, inputs, quality)):
            raise ModelError(
                f"this processor computes {stack_id.name} wrongly at level {_core.level()}: "
                "set STREAMCODEC_LEVEL=plain and report it (streamcodec doctor)"
            )
