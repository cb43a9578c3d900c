# SPDX-License-Identifier: Apache-2.0
"""A loaded model: prior, tables, starting contexts, networks, and the hash that names them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streamcodec import _core
from streamcodec import contexts as cx
from streamcodec.blocks import layout, loopfilter
from streamcodec.entropy import tables
from streamcodec.errors import ModelError
from streamcodec.networks import prior as priors
from streamcodec.networks.conv.weights import NetworkWeights
from streamcodec.weights_check import check_like, hidden_width

Arrays = Mapping[str, npt.NDArray[np.generic]]
_ENCODER_ONLY = "encoder."  # prefix of arrays that no decoder needs


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """Everything that both ends must share. Immutable; built by `from_arrays`."""

    prior: _core.Prior
    cumulative: npt.NDArray[np.uint16]  # (64, 17)
    costs_q8: npt.NDArray[np.int32]  # (64, 16)
    contexts: tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]  # keyframe, first inter frame
    filter_weights: npt.NDArray[np.int16]  # see blocks/loopfilter.py
    digest: bytes  # 8 bytes
    decoder_networks: tuple[NetworkWeights | None, NetworkWeights | None] = (None, None)
    stacks: Arrays | None = None  # the prior's arrays, for the dense encoder
    # Arrays of encoder networks (networks/conv/encoder.py); may be empty.
    encoder_arrays: Arrays = field(default_factory=dict)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Model:
        """Check stored integers and build a model. Raises ModelError."""
        try:
            check_like(arrays, untrained(hidden_width(arrays)))
            cumulative = np.ascontiguousarray(arrays["tables"], np.uint16)
            contexts = tuple(
                np.ascontiguousarray(arrays[name], np.uint16)
                for name in ("contexts.key", "contexts.inter")
            )
            prior = priors.build(arrays)
            priors.check(prior, arrays)
            filter_weights = np.ascontiguousarray(arrays["filter"], np.int16)
        except KeyError as missing:
            raise ModelError(f"weights lack {missing}: they are of another version") from None
        if not tables.are_valid(cumulative):
            raise ModelError("weights hold damaged tables")
        if any(c.shape != (cx.CONTEXTS, 2) for c in contexts):
            raise ModelError("weights hold contexts of another version")
        if filter_weights.shape != loopfilter.no_weights().shape:
            raise ModelError("weights hold a loop filter of another version")
        return cls(
            prior,
            cumulative,
            tables.costs_q8(cumulative),
            (contexts[0], contexts[1]),
            filter_weights,
            digest(arrays),
            (
                NetworkWeights.from_arrays(arrays, "key"),
                NetworkWeights.from_arrays(arrays, "inter"),
            ),
            {name: array for name, array in arrays.items() if name.startswith("prior.")},
            {name: a for name, a in arrays.items() if name.startswith(_ENCODER_ONLY)},
        )

    @property
    def has_networks(self) -> bool:
        """Whether it has decoder or encoder networks."""
        return any(self.decoder_networks) or bool(self.encoder_arrays)


def digest(arrays: Arrays) -> bytes:
    """8 bytes that name these integers, whatever their file.

    Encoder networks do not count: packets decode without them.
    """
    state = hashlib.blake2b(digest_size=8)
    for name in sorted(arrays):
        if name.startswith(_ENCODER_ONLY):
            continue
        values = np.ascontiguousarray(arrays[name])
        state.update(f"{name}{values.dtype.str}{values.shape}".encode())
        state.update(values.tobytes())
    return state.digest()


def untrained(hidden: int = 128) -> dict[str, npt.NDArray[np.generic]]:
    """Arrays of a model that only expects less at high frequencies: a start for training."""
    scales = np.exp(np.arange(tables.TABLES) / 7 - 5)
    levels = np.arange(tables.MAGNITUDES)
    rows = (
        0.5 * np.exp(-(levels[None] - 0.4) / scales[:, None]) * (1 - np.exp(-1 / scales[:, None]))
    )
    rows = 2 * rows + 1e-7
    rows[:, 0] = 1 - np.exp(-0.6 / scales) + 1e-7
    rows[:, -1] = np.exp(-(14.6) / scales) + 1e-7
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "tables": tables.from_probabilities(rows),
        "contexts.key": cx.fresh(),
        "contexts.inter": cx.fresh(),
        "filter": loopfilter.no_weights(),
    }
    quality = np.arange(64)[:, None]
    for stack_id in priors.stack_ids():
        first = layout.GROUP_STARTS[stack_id.group]
        channel = np.arange(first, first + stack_id.channels)[None]
        guess = 44 + (quality - 40) * 0.45 - 5.5 * np.log1p(channel) - 6 * stack_id.frame_type
        arrays |= {
            f"{stack_id.name}.w1": np.zeros((stack_id.features, hidden), np.int8),
            f"{stack_id.name}.w2": np.zeros((hidden, hidden), np.int8),
            f"{stack_id.name}.w3": np.zeros((hidden, stack_id.channels), np.int8),
            f"{stack_id.name}.b1": np.zeros((priors.QUALITIES, hidden), np.int32),
            f"{stack_id.name}.b2": np.zeros(hidden, np.int32),
            f"{stack_id.name}.b3": np.clip(guess * 256, 0, 63 * 256).astype(np.int32),
        }
    return arrays


def filter_of(model: Model, key: bool, quality: int) -> npt.NDArray[np.int16]:
    """Loop filter weights (luma or chroma, classes, pairs) of a frame type and quality."""
    band = quality * loopfilter.BANDS // 64
    return np.asarray(model.filter_weights[0 if key else 1, band])
