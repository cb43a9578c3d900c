# SPDX-License-Identifier: Apache-2.0
"""Compiled code is renewed when any source of the package changes, and only then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamcodec.compiled import forget_stale

_OUTER = """
import numba
from inner import level

@numba.njit(cache=True)
def outer():
    return level()

if __name__ == "__main__":
    print(outer(), sum(outer.stats.cache_hits.values()))
"""
_INNER = """
import numba

@numba.njit(cache=True)
def level():
    return {level}
"""


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_change_in_a_function_that_was_compiled_in_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    if elsewhere:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kept"))
    else:
        monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "outer.py"],
            cwd=package,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    (package / "outer.py").write_text(_OUTER)
    (package / "inner.py").write_text(_INNER.format(level=1))
    assert not forget_stale(package)
    assert run() == "1 0"
    assert not forget_stale(package)
    assert run() == "1 1"
    (package / "inner.py").write_text(_INNER.format(level=2))
    assert forget_stale(package)
    assert run() == "2 0"
    assert not forget_stale(package)


def test_a_place_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.py").write_text("")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert not forget_stale(tmp_path)
