# SPDX-License-Identifier: Apache-2.0
"""A command's options: each declared once, and the settings that they come to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from services.commands import options
from services.settings.config import Settings


def run(*words: str, absent: dict[str, object] | None = None) -> tuple[Settings, str, int]:
    """The settings that a small command gets for these words, and its own parameters."""
    found: list[tuple[Settings, str, int]] = []
    app = typer.Typer()

    @options.of("sender.kbps", "sender.adapt", "receiver.patience_s", absent=absent or {})
    def small(
        settings: Settings,
        name: Annotated[str, typer.Argument()],
        count: Annotated[int, typer.Option("--count")] = 3,
    ) -> None:
        """Do a little."""
        found.append((settings, name, count))

    app.command()(small)
    result = CliRunner().invoke(app, [*words])
    assert result.exit_code == 0, result.output
    return found[0]


def test_a_command_gets_settings_and_its_own_parameters() -> None:
    settings, name, count = run("camera", "--kbps", "300", "--no-adapt", "--patience", "2")
    assert (settings.sender.kbps, settings.sender.adapt) == (300.0, False)
    assert settings.receiver.patience_s == 2.0
    assert (name, count) == ("camera", 3)


def test_an_option_that_is_not_given_leaves_the_setting_to_environment_and_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "own.toml"
    file.write_text("[sender]\nkbps = 5\nadapt = false\n")
    monkeypatch.setenv("STREAMCODEC_SENDER__KBPS", "7")
    settings, _, count = run("camera", "--count", "4", "--config", str(file))
    assert (settings.sender.kbps, settings.sender.adapt, count) == (7.0, False, 4)


def test_a_value_for_absent_options_goes_before_the_environment_but_not_before_the_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STREAMCODEC_SENDER__KBPS", "7")
    assert run("camera", absent={"sender.kbps": 9.0})[0].sender.kbps == 9.0
    assert run("camera", "--kbps", "8", absent={"sender.kbps": 9.0})[0].sender.kbps == 8.0
