# SPDX-License-Identifier: Apache-2.0
"""Statistics are written each second for as long as the disk takes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services import logs
from services.commands.follow import stats_file
from services.config import LogSettings
from services.errors import SinkError


class Counted:
    """A snapshot of one figure."""

    def as_json(self) -> dict[str, object]:
        return {"frames": 7}


def test_each_snapshot_is_a_line_after_those_that_were_there(tmp_path: Path) -> None:
    path = tmp_path / "stats.jsonl"
    for _ in range(2):
        with stats_file(path) as write:
            write(Counted())
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"frames": 7}] * 2


def test_a_full_disk_ends_the_statistics_with_one_message_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure(LogSettings())
    with stats_file(Path("/dev/full")) as write:
        for _ in range(5):
            write(Counted())
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_a_file_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(SinkError, match="statistics cannot be written"),
        stats_file(tmp_path / "absent" / "stats.jsonl"),
    ):
        pass
