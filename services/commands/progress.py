# SPDX-License-Identifier: Apache-2.0
"""The progress bar of commands that take a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


def bar(*fields: str, quiet: bool, transient: bool = False) -> Progress:
    """A bar on standard error with the time left, and `fields` of its tasks before that.

    Silent when `quiet`, and where standard error is no terminal.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *map(TextColumn, fields),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=transient,
    )
