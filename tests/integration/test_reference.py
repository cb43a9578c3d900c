# SPDX-License-Identifier: Apache-2.0
"""The pages that are made from the code are up to date."""

from __future__ import annotations

from pathlib import Path

from services.commands.config import example_toml
from services.commands.reference import commands_page

ROOT = Path(__file__).parents[2]


def test_the_commands_page_is_what_the_code_says() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert page == commands_page(), "the code has changed: run `make docs` and commit the page"


def test_the_example_settings_are_what_the_code_says() -> None:
    example = (ROOT / "deploy" / "example.toml").read_text(encoding="utf-8")
    assert example == example_toml(), "a setting has changed: run `make docs` and commit the file"


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = commands_page()
    names = [line.split()[2] for line in page.splitlines() if line.startswith("## streamcodec ")]
    missing = [name for name in dict.fromkeys(names) if f"streamcodec {name}" not in readme]
    assert not missing
