# SPDX-License-Identifier: Apache-2.0
"""The program with all its commands, and what its exit codes mean."""

from __future__ import annotations

from typing import Annotated

import typer

from services.commands import config, demo, doctor, files, keys, link, relay, stream, train

EXIT_CODES = {
    0: "it worked, or was stopped by Ctrl-C or SIGTERM",
    1: "it failed for another reason",
    2: "usage: an unknown option or a value that does not parse",
    3: "configuration: a setting is wrong, or weights do not fit",
    4: "authentication: keys are absent or refused",
    5: "source: a file or camera cannot be read",
    6: "the peer never came, or went away for good",
}

app = typer.Typer(
    name="streamcodec",
    help="Live video through thin links with a learned codec.",
    epilog="Exit codes: " + "; ".join(f"{code} {text}" for code, text in EXIT_CODES.items()) + ".",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for room in (demo, stream, relay, files, link, keys, train, config, doctor):
    room.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from streamcodec import __version__  # imports OpenCV

        typer.echo(f"streamcodec {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="print the version"),
    ] = False,
) -> None:
    """Live video through thin links with a learned codec."""
