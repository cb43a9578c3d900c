# SPDX-License-Identifier: Apache-2.0
"""Weights of unknown origin load as weights or are refused in one sentence."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy

from streamcodec import weights
from streamcodec.errors import ModelError
from streamcodec.model import Model, untrained

Arrays = dict[str, npt.NDArray[np.generic]]
LAYER, BIAS = "prior.inter.1.0.w2", "prior.key.2.1.b3"


def changed(name: str, change: Callable[[npt.NDArray[np.generic]], object]) -> Arrays:
    arrays = untrained(16)
    arrays[name] = np.asarray(change(arrays[name]))
    return arrays


@pytest.mark.parametrize("name", ["tables", "filter", "contexts.inter", LAYER, BIAS])
@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.reshape(-1)[:0],
        lambda a: a[..., None],
        lambda a: a.astype(np.float32),
        lambda a: a.astype(np.int64),
        lambda a: a.astype(np.bool_),
        lambda a: a[1:],
    ],
)
def test_another_shape_or_kind_of_number_is_refused_by_name(
    name: str, change: Callable[[npt.NDArray[np.generic]], object]
) -> None:
    with pytest.raises(ModelError, match=name):
        Model.from_arrays(changed(name, change))


def test_what_could_leave_its_integer_is_refused() -> None:
    for name, value in ((LAYER, -128), (BIAS, 2**24), (BIAS, -(2**31))):
        with pytest.raises(ModelError, match=name):
            Model.from_arrays(changed(name, lambda a, v=value: np.full_like(a, v)))
    wide = untrained(1024)
    first = "prior.inter.0.0.w1"
    wide["prior.key.0.0.w2"] = np.full_like(wide["prior.key.0.0.w2"], 127)  # 1024 x 127 x 127
    Model.from_arrays({**wide, first: np.full_like(wide[first], 127)})  # just below 2**24
    with pytest.raises(ModelError, match="shape"):
        Model.from_arrays(untrained(1025))


@pytest.mark.parametrize("name", ["tables", "filter", "contexts.key", LAYER, "prior.key.0.0.b2"])
def test_an_absent_array_is_named(name: str) -> None:
    arrays = untrained(16)
    del arrays[name]
    with pytest.raises(ModelError, match=name):
        Model.from_arrays(arrays)


def stored(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 7,
        b"\xff" * 8,
        struct.pack("<Q", 100_000_000) + b" " * 10,
        stored({}),
        stored(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        stored({"tables": {"dtype": "I32", "shape": [2**62], "data_offsets": [0, 4]}}, b"abcd"),
        stored({"tables": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}, b"abcd"),
        stored(
            {f"t{n}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for n in range(90000)}
        ),
    ],
    ids=range(9),
)
def test_a_file_that_is_no_weights_is_refused_at_once(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    with pytest.raises(ModelError):
        weights.load("S", path)


def test_damaged_bytes_of_a_file_raise_nothing_else(tmp_path: Path) -> None:
    good = safetensors.numpy.save({k: np.asarray(v) for k, v in untrained(8).items()})
    header = 8 + int.from_bytes(good[:8], "little")
    rng = random.Random(4)
    refused = 0
    for number in range(60):
        data = bytearray(good)
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(header if number % 2 else len(data))] = rng.randrange(256)
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(data)
        try:
            weights.load("S", path)
        except ModelError:
            refused += 1
    assert refused >= 25  # a change of a value only makes other weights, still valid
