# SPDX-License-Identifier: Apache-2.0
"""Writes `docs/commands.md` from the code: `python -m services.commands.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from services.commands.program import EXIT_CODES, app
from services.settings.config import catalogue
from services.settings.lookup import describe, variable


def commands_page() -> str:
    """Every command with its arguments and options, every setting, and the exit codes."""
    lines = [
        "# Commands and settings",
        "",
        "This page is made from the code by `make docs`; a test compares the two.",
        "",
        "A setting comes from the first of these that gives it: the option, the environment "
        "variable, the TOML file, the default.",
        "The file is the one of `--config`, else of `STREAMCODEC_CONFIG`, else `streamcodec.toml` "
        "in the working directory.",
        "`streamcodec config show` prints every value and where it came from, "
        "`streamcodec config example` a file to start from.",
        "",
        "Logs go to standard error. `--json` prints one JSON object on standard output and nothing "
        "else there.",
    ]
    for name, command in _walk(get_command(app), "streamcodec"):
        lines += ["", f"## {name}", "", command.help or "", *_parameters(command)]
    lines += ["", "## Settings", "", "| setting | variable | values | default | meaning |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for dotted, spec in catalogue().items():
        default = "" if spec.default is None else f"`{spec.default}`"
        lines.append(
            f"| `{dotted}` | `{variable(dotted)}` | {describe(spec)} | {default} "
            f"| {_cell(spec.metadata['help'])} |"
        )
    lines += ["", "## Exit codes", "", "| code | meaning |", "| --- | --- |"]
    lines += [f"| {code} | {text} |" for code, text in EXIT_CODES.items()]
    return "\n".join(lines) + "\n"


def _walk(command: object, name: str) -> Iterator[tuple[str, TyperCommand]]:
    """Commands without subcommands, in the order of the help."""
    if isinstance(command, TyperGroup):
        for sub_name, sub in command.commands.items():
            yield from _walk(sub, f"{name} {sub_name}")
    elif isinstance(command, TyperCommand):
        yield name, command


def _parameters(command: TyperCommand) -> Iterator[str]:
    yield from ("", "| argument or option | meaning |", "| --- | --- |")
    for parameter in command.params:
        if isinstance(parameter, TyperArgument):
            yield f"| `{(parameter.name or '').upper()}` | {_cell(parameter.help or '')} |"
        elif isinstance(parameter, TyperOption) and not parameter.hidden:
            names = ", ".join([*parameter.opts, *parameter.secondary_opts])
            kind = "" if parameter.is_flag else f" {parameter.metavar}"
            yield f"| `{_cell(names + kind)}` | {_cell(parameter.help or '')} |"
    yield "| `-h, --help` | print this and exit |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(commands_page())
