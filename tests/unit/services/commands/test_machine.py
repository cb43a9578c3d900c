# SPDX-License-Identifier: Apache-2.0
"""What `doctor` finds out, with codecs that agree and codecs that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.commands import machine
from tests.fakes import FakeCodec


def examine(digests: dict[str, bytes]) -> machine.Report:
    return machine.examine(
        {"S": dict.fromkeys(digests, "a device")},
        load=lambda size, device: FakeCodec(self_test=digests[device]),
        measure=False,
    )


def test_devices_that_agree_are_no_problem() -> None:
    report = examine({"cpu": b"same-one", "cuda": b"same-one"})
    assert report.exact
    assert not [p for p in report.problems if "disagree" in p]


def test_devices_that_disagree_are_a_problem_with_a_remedy() -> None:
    report = examine({"cpu": b"this-one", "cuda": b"that-one"})
    assert not report.exact
    assert any("use the same --device" in problem for problem in report.problems)


def test_sizes_are_not_held_against_each_other() -> None:
    report = machine.examine(
        {"S": {"cpu": "a device"}, "M": {"cpu": "a device"}},
        load=lambda size, device: FakeCodec(self_test=size.encode()),
        measure=False,
    )
    assert report.exact
    assert [(d.size, d.name, d.encoder) for d in report.devices] == [
        ("S", "cpu", "native"),
        ("M", "cpu", "native"),
    ]
    assert report.models.keys() == {"S", "M"}


def test_a_machine_without_cuda_runs_every_size_on_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streamcodec.weights.has_cuda", lambda: False)
    assert {size: list(devices) for size, devices in machine.places("auto").items()} == {
        "S": ["cpu"],
        "M": ["cpu"],
    }
    assert list(machine.places("S")) == ["S"]


def test_speed_is_told_for_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_SPEED_FRAMES", 3)
    speed = machine.speed(FakeCodec(), 64, 48)
    assert (speed.width, speed.height) == (64, 48)
    assert speed.encode_ms > 0
    assert speed.decode_ms > 0
    assert speed.fps == pytest.approx(1000 / max(speed.encode_ms, speed.decode_ms))


def test_cameras_are_listed_in_order_with_their_names(tmp_path: Path) -> None:
    for number, name in ((10, "Far"), (2, "Near")):
        folder = tmp_path / f"video{number}"
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
    assert machine.cameras(tmp_path) == ["camera:2 (Near)", "camera:10 (Far)"]


def test_a_machine_without_cameras_has_none(tmp_path: Path) -> None:
    assert machine.cameras(tmp_path / "absent") == []
