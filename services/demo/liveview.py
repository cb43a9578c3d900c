# SPDX-License-Identifier: Apache-2.0
"""Shows the live screen while something runs; does nothing where no terminal is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from services.demo.screen import BOTH, render
from services.measure.history import Moment, Sample

Show = Callable[[Moment, Sequence[Sample]], None]


@contextmanager
def live_screen(console: Console, title: str, *, roles: Sequence[str] = BOTH) -> Iterator[Show]:
    """A function that repaints the screen."""
    if not console.is_terminal:
        yield lambda moment, samples: None
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def show(moment: Moment, samples: Sequence[Sample]) -> None:
            live.update(render(moment, samples, title=title, roles=roles), refresh=True)

        yield show
