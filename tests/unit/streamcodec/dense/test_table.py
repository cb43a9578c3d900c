# SPDX-License-Identifier: Apache-2.0
"""docs/gpu.md says what the code does: transfers, operations, and what runs where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamcodec import Codec, weights
from streamcodec.dense import table
from streamcodec.errors import ModelError

PAGE = (Path(__file__).parents[4] / "docs" / "gpu.md").read_text(encoding="utf-8")


def test_the_page_has_the_table_of_moves_that_is_made_from_the_code() -> None:
    assert table.table() in PAGE


def test_the_page_tells_how_many_operations_a_frame_is() -> None:
    said = re.search(r"Operations: ([\d,]+) to analyse a frame, ([\d,]+) for each quality", PAGE)
    assert said is not None
    # Versions of torch decompose some of them differently.
    for number, found in zip(said.groups(), table.operations(), strict=True):
        assert int(number.replace(",", "")) == pytest.approx(found, rel=0.05)


@pytest.mark.parametrize(
    ("size", "device", "cuda", "expected"),
    [
        ("S", "auto", True, ("S", "cpu")),
        ("S", "cpu", False, ("S", "cpu")),
        ("M", "cpu", True, ("M", "cpu")),
        ("M", "auto", False, ("M", "cpu")),
        ("M", "cuda", True, ("M", "cuda")),
        ("M", "cuda:1", True, ("M", "cuda:1")),
        ("M", "auto", True, ("M", "cuda")),
        ("auto", "auto", True, ("M", "cuda")),
        ("auto", "cuda", True, ("M", "cuda")),
        ("auto", "auto", False, ("S", "cpu")),
        ("auto", "cpu", True, ("S", "cpu")),
    ],
)
def test_sizes_run_where_the_page_says(
    monkeypatch: pytest.MonkeyPatch,
    *,
    size: str,
    device: str,
    cuda: bool,
    expected: tuple[str, str],
) -> None:
    monkeypatch.setattr(weights, "has_cuda", lambda: cuda)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    chosen = weights.pick_size(size, device)
    where = weights.pick_device(device, networks=weights.load(chosen).has_networks)
    assert (chosen, where) == expected


def test_size_s_refuses_a_gpu_and_processors_take_the_native_encoder() -> None:
    with pytest.raises(ModelError, match="runs on the processor"):
        Codec.load("S", device="cuda")
    assert Codec.load("M", device="cpu").encoder == "native"
    assert Codec.load("auto", device="cpu").size == "S"
