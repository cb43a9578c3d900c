# SPDX-License-Identifier: Apache-2.0
"""Tables and curves of a rate-distortion report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.material import Clip
from benchmarks.points import Point
from benchmarks.rd import build_report
from benchmarks.rd_plot import main
from streamcodec.frame import Frame
from tests.unit.benchmarks.test_rd import moving


def report_file(folder: Path) -> Path:
    frames: tuple[Frame, ...] = tuple(moving(1))
    clips = [Clip("street", "camera", 25.0, frames, ""), Clip("photo", "pictures", 1.0, frames, "")]
    curve = [Point(str(q), 0.1 * 2**q, 30 + 3 * q, 30.0, 0.9, 4.0, 2.0) for q in range(5)]
    half = [Point(str(q), 0.05 * 2**q, 30 + 3 * q, 30.0, 0.9, 8.0, 3.0) for q in range(5)]
    points = {
        "street": {"x264-medium": curve, "S": half},
        "photo": {"jpeg": curve, "x264-medium": curve, "S": half},
    }
    path = folder / "rd.json"
    path.write_text(json.dumps(build_report(clips, points, ["S"])), encoding="utf-8")
    return path


def test_tables_hold_clips_groups_and_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(report_file(tmp_path)), "--markdown"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert "| street | -50.0% |  |" in printed
    assert "| **camera, mean** | -50.0% |  |" in printed
    assert "| **pictures, mean** | -50.0% | -50.0% |" in printed
    assert "| S | 8.0 | 3.0 |" in printed
    assert not any(line.startswith("| photo") for line in printed)


def test_a_plot_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    assert main([str(report_file(tmp_path)), "--png", str(tmp_path / "rd.png"), "--pictures"]) == 0
    assert (tmp_path / "rd.png").read_bytes().startswith(b"\x89PNG")
