# SPDX-License-Identifier: Apache-2.0
"""`streamcodec config`: what the settings are, and where each value came from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import typer

from services.commands import options
from services.settings.addresses import masked
from services.settings.config import catalogue
from services.settings.lookup import Resolved, describe, variable

group = typer.Typer(help="Show and explain the settings.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.add_typer(group, name="config")


@group.command()
def show(config: options.ConfigFile = None, as_json: options.Json = False) -> None:
    """Print every setting with its value and where that came from."""
    resolved = options.load({}, config)
    if as_json:
        typer.echo(json.dumps(as_object(resolved)))
        return
    for name, value in values(resolved).items():
        shown = "-" if value is None else str(value)
        typer.echo(f"{name:<22} {shown:<28} {resolved.origins[name]}")


@group.command()
def example() -> None:
    """Print a TOML file with every setting explained, to start one's own from."""
    typer.echo(example_toml(), nl=False)


@group.command()
def check(file: Path) -> None:
    """Check a TOML file; ends with code 3 and a sentence if anything in it is wrong."""
    options.load({}, file)
    typer.echo(f"{file}: fine")


def values(resolved: Resolved) -> dict[str, object]:
    """Every setting by its dotted name; what addresses hide is not shown."""
    return {
        f"{section}.{key}": masked(value) if isinstance(value, str) else value
        for section, table in asdict(resolved.settings).items()
        for key, value in table.items()
    }


def as_object(resolved: Resolved) -> dict[str, object]:
    """What `config show --json` prints."""
    found = values(resolved)
    return {
        "file": str(resolved.file) if resolved.file else None,
        "settings": {
            name: {"value": value, "origin": resolved.origins[name]}
            for name, value in found.items()
        },
    }


def example_toml() -> str:
    """A complete settings file: each key with its meaning, range, variable and default."""
    lines = ["# Settings of streamcodec. Every line shows a default; remove the # to change it."]
    section = ""
    for name, spec in catalogue().items():
        head, _, key = name.partition(".")
        if head != section:
            section = head
            lines += ["", f"[{section}]"]
        lines.append(f"# {spec.metadata['help']}; {describe(spec)} ({variable(name)})")
        lines.append(f"# {key} = {_toml(spec.default)}")
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    return '""  # not set' if value is None else json.dumps(value)
