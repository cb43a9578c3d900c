# SPDX-License-Identifier: Apache-2.0
"""Weights: every size runs, and what is not there is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from streamcodec import Codec, Frame, model, weights
from streamcodec.errors import ModelError


@pytest.mark.parametrize("size", weights.SIZES)
def test_a_model_of_each_size_codes_and_decodes(
    size: str, tmp_path: Path, frames: list[Frame]
) -> None:
    path = tmp_path / "untrained.safetensors"
    safetensors.numpy.save_file(model.untrained(weights.HIDDEN[size]), path)
    codec = Codec.load(size, weights=path)
    ahead = behind = None
    for frame in frames[:2]:
        encoded = codec.encode(frame, ahead, quality=30)
        assert encoded.packet is not None
        ahead = encoded.reference
        shown, behind = codec.decode(encoded.packet, behind)
        assert ahead is not None
        assert shown.same_pixels(ahead.frame)


@pytest.mark.parametrize("size", ["M", "L"])
def test_a_size_without_shipped_weights_says_how_to_get_some(size: str) -> None:
    with pytest.raises(ModelError, match=f"no weights of size {size} are shipped: train some"):
        Codec.load(size)


def test_shipped_weights_have_the_width_of_their_size_and_at_most_4_mb() -> None:
    path = Path(weights.__file__).with_name("s.safetensors")
    arrays = safetensors.numpy.load_file(path)
    assert arrays["prior.inter.0.0.w2"].shape == (weights.HIDDEN["S"], weights.HIDDEN["S"])
    assert path.stat().st_size <= 4_000_000


def test_weights_of_another_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    arrays = model.untrained(16)
    arrays["contexts.key"] = np.zeros((212, 2), np.uint16)
    safetensors.numpy.save_file(arrays, path)
    with pytest.raises(
        ModelError, match=r"contexts\.key is uint16 \(212, 2\), expected uint16 \(2968, 2\)"
    ):
        Codec.load(weights=path)
