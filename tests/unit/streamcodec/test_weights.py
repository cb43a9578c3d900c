# SPDX-License-Identifier: Apache-2.0
"""Weights: every size runs, and what is not there is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from streamcodec import Codec, Frame, model, weights
from streamcodec.errors import ModelError


@pytest.mark.parametrize("hidden", [16, 128, 256])
def test_a_model_of_any_width_codes_and_decodes(
    hidden: int, tmp_path: Path, frames: list[Frame]
) -> None:
    path = tmp_path / "untrained.safetensors"
    safetensors.numpy.save_file(model.untrained(hidden), path)
    codec = Codec.load("S", weights=path)
    ahead = behind = None
    for frame in frames[:2]:
        encoded = codec.encode(frame, ahead, quality=30)
        assert encoded.packet is not None
        ahead = encoded.reference
        shown, behind = codec.decode(encoded.packet, behind)
        assert ahead is not None
        assert shown.same_pixels(ahead.frame)


@pytest.mark.parametrize("size", weights.SIZES)
def test_every_size_that_is_offered_has_weights_of_at_most_4_mb(size: str) -> None:
    path = Path(weights.__file__).with_name(f"{size.lower()}.safetensors")
    arrays = safetensors.numpy.load_file(path)
    hidden = weights.HIDDEN[size]
    assert arrays["prior.inter.0.0.w2"].shape == (hidden, hidden)
    assert path.stat().st_size <= 4_000_000


def test_a_size_that_is_not_offered_names_those_that_are() -> None:
    with pytest.raises(ModelError, match="size is 'L', expected one of S, M"):
        Codec.load("L")


def test_size_s_runs_on_the_processor_and_says_so() -> None:
    assert Codec.load("S", device="auto").device == "cpu"
    with pytest.raises(ModelError, match="has no networks and runs on the processor"):
        Codec.load("S", device="cuda")


def test_weights_of_another_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    arrays = model.untrained(16)
    arrays["contexts.key"] = np.zeros((212, 2), np.uint16)
    safetensors.numpy.save_file(arrays, path)
    with pytest.raises(
        ModelError, match=r"contexts\.key is uint16 \(212, 2\), expected uint16 \(2968, 2\)"
    ):
        Codec.load(weights=path)
