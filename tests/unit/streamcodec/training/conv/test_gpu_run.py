# SPDX-License-Identifier: Apache-2.0
"""The run that is prepared for a large GPU, small and on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from streamcodec.training.conv import gpu_run
from tests.unit.streamcodec.training.conv import made


@pytest.mark.timeout(600)  # everything once, on any machine
def test_the_prepared_run_is_exact_measures_and_trains(tmp_path: Path) -> None:
    made.shard(tmp_path / "coded", frames=2)
    gpu_run.main(
        [
            *(str(tmp_path / "coded"), str(tmp_path / "out")),
            *("--minutes", "0.1", "--device", "cpu", "--small"),
        ]
    )
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    stream = report["exact.stream"]
    assert stream["wrong"] == 0
    assert len(set(stream["digests"])) == 1
    for kind, stage in (("encode", "motion"), ("encode", "upload"), ("decode", "rebuild (core)")):
        taken = report[f"{kind}.96x64"]
        assert 0 < taken[stage] < taken["whole"]
    for kind in ("key", "inter"):
        exact = report[f"exact.{kind}"]
        assert exact["wrong"] == 0
        assert exact["digests"][0] == exact["digests"][1]
        assert set(report[f"times.{kind}.96x64"]) == {
            "upload_ms",
            "inputs_ms",
            "network_ms",
            "whole_ms",
            "encoder_network_ms",
        }
        state = torch.load(tmp_path / "out" / kind / "state.pt", weights_only=False)
        assert state["step"] == report[f"training.{kind}"]["steps"]
