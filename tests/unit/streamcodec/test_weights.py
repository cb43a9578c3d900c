# SPDX-License-Identifier: Apache-2.0
"""Weights: every size runs, and a missing one is reported in one sentence."""

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


@pytest.mark.parametrize(
    ("cuda", "device", "size"),
    [(True, "auto", "M"), (True, "cuda:0", "M"), (True, "cpu", "S"), (False, "auto", "S")],
)
def test_size_auto_is_m_where_a_cuda_device_is_there_and_allowed(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, device: str, size: str
) -> None:
    monkeypatch.setattr(weights, "has_cuda", lambda: cuda)
    assert weights.pick_size("auto", device) == size
    assert weights.pick_size("S", device) == "S"
    assert weights.pick_size("M", device) == "M"


def test_a_file_of_weights_is_of_the_size_that_it_holds_networks_for() -> None:
    folder = Path(weights.__file__).parent
    assert weights.pick_size("auto", "cpu", folder / "m.safetensors") == "M"
    assert weights.pick_size("auto", "auto", folder / "s.safetensors") == "S"


def test_devices_are_named_and_what_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "has_cuda", lambda: False)
    assert weights.pick_device("auto", networks=True) == "cpu"
    assert weights.pick_device("cpu", networks=True) == "cpu"
    with pytest.raises(ModelError, match="'cuda:1', but torch finds no CUDA device"):
        weights.pick_device("cuda:1", networks=True)
    with pytest.raises(ModelError, match="expected auto, cpu, cuda or cuda:NUMBER"):
        weights.pick_device("tpu", networks=True)
    monkeypatch.setattr(weights, "has_cuda", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert weights.pick_device("auto", networks=True) == "cuda"
    assert weights.pick_device("cuda:1", networks=True) == "cuda:1"
    with pytest.raises(ModelError, match="only 2 CUDA devices, cuda:0 to cuda:1"):
        weights.pick_device("cuda:2", networks=True)


def test_a_gpu_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"'cuda', but torch is not installed: pip install"):
        weights.pick_device("cuda", networks=True)


def test_without_a_driver_torch_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", absent)
    monkeypatch.setattr(weights, "_torch", lambda: pytest.fail("imported torch"))
    assert not weights.has_cuda()


def test_the_encoder_is_the_cores_on_the_processor_and_can_be_chosen() -> None:
    assert Codec.load("S").encoder == "native"
    assert Codec.load("M", device="cpu").encoder == "native"
    assert Codec.load("S", encoder="dense").encoder == "dense"
    with pytest.raises(ModelError, match="expected one of auto, native, dense"):
        Codec.load("S", encoder="fast")


def test_a_receiver_that_was_to_choose_may_take_the_other_sizes() -> None:
    assert weights.alternatives("auto", "S", "auto") == (("M", "auto"),)
    assert weights.alternatives("auto", "M", "cuda:1") == (("S", "cpu"),)
    assert weights.alternatives("S", "S", "auto") == ()
