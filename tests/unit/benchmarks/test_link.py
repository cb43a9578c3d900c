# SPDX-License-Identifier: Apache-2.0
"""The link benchmark: its rows, its targets, its JSON, and what goes wrong with its inputs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import link, link_table
from benchmarks.compare_peers import marked, read_mark
from benchmarks.link_checks import checks, fresh_frame_ms, worst_rate_kbps
from benchmarks.link_scenarios import scenarios
from services.emulator.simulate import simulate
from streamcodec.frame import Frame

NUMBERS = {
    "capacity_mbps",
    "longest_gap_ms",
    "utilisation",
    "freezes",
    "skipped",
    "psnr_db",
    "ssim_db",
}


def test_rows_are_named_once_and_traces_are_optional() -> None:
    names = [one.name for one in scenarios(None)]
    assert len(names) == len(set(names))
    assert {"const2", "step414", "loss1", "rtt200", "deep1MB", "two", "bulk"} <= set(names)


def test_a_row_reaches_its_targets_with_the_model_codec(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "rows.json"
    assert link.main(["--codec", "model", "--rows", "const2,step414", "--json", str(out)]) == 0
    report = json.loads(out.read_text())
    assert [row["name"] for row in report["rows"]] == ["const2", "step414"]
    for row in report["rows"]:
        assert row.keys() >= NUMBERS
        assert row["frame_delay_ms"].keys() >= {"p50", "p95", "p99"}
        assert row["signal_delay_ms"].keys() >= {"p50", "p95"}
        assert all(one["met"] for one in row["targets"])
    assert "0 targets missed" in capsys.readouterr().out
    assert link_table.main([str(out)]) == 0
    assert "| const2 |" in capsys.readouterr().out


def test_one_trace_runs_by_path(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trace = tmp_path / "own.trace"
    trace.write_text("".join(f"{ms}\n" for ms in range(5, 1001, 5)))
    arguments = ["--codec", "model", "--trace", str(trace), "--seconds", "5"]
    assert link.main(arguments) == 0
    assert "own.trace" in capsys.readouterr().out


@pytest.mark.parametrize(("content", "expected"), [("", "empty"), ("3\n2\n", "2: 2 comes after")])
def test_a_broken_trace_ends_with_a_sentence_and_code_3(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, expected: str
) -> None:
    trace = tmp_path / "broken.trace"
    trace.write_text(content)
    assert link.main(["--codec", "model", "--trace", str(trace)]) == 3
    assert expected in capsys.readouterr().err


def test_figures_of_an_outage_come_from_its_end() -> None:
    row = next(one for one in scenarios(None) if one.name == "hold5s")
    result = simulate(row.profile, row.options)
    assert 0 < fresh_frame_ms(result, row.profile) < 400
    assert worst_rate_kbps(result, 2.0) < 100
    assert all(met for *_, met in checks(row, result))


def test_numbers_in_json_are_finite() -> None:
    assert link.plain({"a": math.nan, "b": 1.23456, "c": 2}) == {"a": None, "b": 1.2346, "c": 2}


@pytest.mark.parametrize("number", [0, 1, 1234, 65_535])
def test_a_frame_carries_its_number_in_its_picture(number: int) -> None:
    frame = Frame.grey(np.full((64, 352), 128, np.uint8))
    assert read_mark(Frame.from_bgr(marked(frame, number).to_bgr())) == number
