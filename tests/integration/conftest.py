# SPDX-License-Identifier: Apache-2.0
"""The command line in a folder of its own, without a display."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.cli import Command, make_command


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return make_command(monkeypatch, capfd)
