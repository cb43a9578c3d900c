# SPDX-License-Identifier: Apache-2.0
"""Telling a first start from later ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.firststart import is_first_start


def test_an_empty_cache_is_a_first_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "absent"))
    assert is_first_start()


def test_a_cache_with_an_index_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "motion").mkdir()
    (tmp_path / "motion" / "search.nbi").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert not is_first_start()
