# SPDX-License-Identifier: Apache-2.0
"""A weights file's decoder network is read back unchanged, or refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from streamcodec.errors import ModelError
from streamcodec.networks.conv.shape import SUM_LIMIT, Shape
from streamcodec.networks.conv.weights import NetworkWeights
from tests.unit.streamcodec.networks.conv import samples


@pytest.mark.parametrize("predicted", [False, True])
def test_arrays_come_back_as_they_were(predicted: bool) -> None:
    kind = "inter" if predicted else "key"
    weights = samples.network(predicted=predicted)
    arrays = weights.to_arrays(kind)
    read = NetworkWeights.from_arrays(arrays, kind)
    assert read is not None
    assert read.shape == weights.shape
    for name, values in read.to_arrays(kind).items():
        assert np.array_equal(values, arrays[name])
        assert values.dtype == arrays[name].dtype


def test_kernels_are_stored_with_four_axes_of_bytes() -> None:
    arrays = samples.network(predicted=False).to_arrays("key")
    kernels = {name: a for name, a in arrays.items() if name.endswith(".weight")}
    assert {a.ndim for a in kernels.values()} == {4}
    assert {a.dtype for a in kernels.values()} == {np.dtype(np.int8)}


def test_a_file_without_a_network_has_none() -> None:
    assert NetworkWeights.from_arrays({}, "key") is None


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("body.0.a.weight", lambda a: a[:, :-1], "another version"),
        ("body.0.a.weight", lambda a: a.astype(np.int32), "another version"),
        ("enter.bias", lambda a: a[:1], "another version"),
        ("leave.shift", lambda a: a + np.uint8(20), "damaged"),
        ("last.bias", lambda a: a + np.int32(SUM_LIMIT), "adds them exactly"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, change: object, words: str) -> None:
    arrays = samples.network(predicted=False).to_arrays("key")
    assert callable(change)
    arrays[f"decoder.key.{name}"] = change(arrays[f"decoder.key.{name}"])
    with pytest.raises(ModelError, match=words):
        NetworkWeights.from_arrays(arrays, "key")


def test_a_missing_array_is_named() -> None:
    arrays = samples.network(predicted=False).to_arrays("key")
    del arrays["decoder.key.first.bias"]
    with pytest.raises(ModelError, match=r"decoder\.key\.first\.bias"):
        NetworkWeights.from_arrays(arrays, "key")


def test_no_layer_of_the_shipped_shapes_can_reach_the_limit_of_sums() -> None:
    for predicted in (False, True):
        for layer in Shape(predicted).layers():
            most = layer.inputs * layer.side**2 * 127 * 127
            assert most < SUM_LIMIT * 0.8


def test_a_decode_costs_about_six_thousand_multiplications_a_sample() -> None:
    assert 5000 < Shape(True).multiplies_per_px() < 6500
