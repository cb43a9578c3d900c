# SPDX-License-Identifier: Apache-2.0
"""Turns of ours and x264's give a ratio each, for encode and decode."""

from __future__ import annotations

import json

import pytest

from benchmarks import ratios


def test_each_effort_has_a_ratio_for_every_turn(capsys: pytest.CaptureFixture[str]) -> None:
    assert ratios.main(["--resolution", "64x48", "--turns", "2"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["effort"] for line in lines] == ["normal", "fast"]
    for line in lines:
        assert line["turns"] == 2
        assert 0 < line["encode"] < 1000
        assert line["decode_quartiles"][0] <= line["decode"] <= line["decode_quartiles"][1]
