# SPDX-License-Identifier: Apache-2.0
"""Statistics go into files of bounded size, through full disks and files that are moved away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.errors import SinkError
from services.process import logs
from services.process.statsfile import RETRY_US, Keeping, StatsFile
from services.settings.config import LogSettings


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


def stats_file(path: Path, *, most_bytes: int = 10**6, files: int = 2, now: list[int]) -> StatsFile:
    return StatsFile(path, Keeping(most_bytes, files), clock_us=lambda: now[0])


def test_lines_come_after_those_that_were_there(tmp_path: Path) -> None:
    path = tmp_path / "stats.jsonl"
    for number in range(2):
        file = stats_file(path, now=[0])
        file.write({"n": number})
        file.close()
    assert numbers(path) == [0, 1]


def test_no_file_grows_beyond_its_size_and_the_newest_lines_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "stats.jsonl"
    line_bytes = len(json.dumps({"n": 0}) + "\n")
    file = stats_file(path, most_bytes=3 * line_bytes, now=[0])
    for number in range(10):
        file.write({"n": number})
    file.close()
    assert numbers(path) == [9]
    assert numbers(tmp_path / "stats.jsonl.1") == [6, 7, 8]
    assert numbers(tmp_path / "stats.jsonl.2") == [3, 4, 5]
    assert len(list(tmp_path.iterdir())) == 3


def test_without_older_files_the_newest_alone_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "stats.jsonl"
    file = stats_file(path, most_bytes=1, files=0, now=[0])
    for number in range(3):
        file.write({"n": number})
    file.close()
    assert numbers(path) == [2]
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_was_moved_away_is_begun_anew_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "stats.jsonl"
    file = stats_file(path, now=[0])
    file.write({"n": 1})
    path.rename(tmp_path / "moved")
    file.reopen()
    file.write({"n": 2})
    file.close()
    assert (numbers(tmp_path / "moved"), numbers(path)) == ([1], [2])


def test_a_full_disk_is_told_once_and_statistics_go_on_when_there_is_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(LogSettings())
    path, now = tmp_path / "stats.jsonl", [0]
    path.symlink_to("/dev/full")
    file = stats_file(path, now=now)
    for _ in range(5):
        file.write({"n": 1})
        now[0] += 1_000_000
    path.unlink()
    now[0] += RETRY_US
    file.write({"n": 2})
    file.close()
    said = capsys.readouterr().err
    assert said.count("No space left on device") == 1
    assert said.count("stats resumed") == 1
    assert numbers(path) == [2]


def test_a_file_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="statistics cannot be written"):
        stats_file(tmp_path / "absent" / "stats.jsonl", now=[0])
