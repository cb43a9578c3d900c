# SPDX-License-Identifier: Apache-2.0
"""`streamcodec demo`: the whole thing on one machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from services.commands import options
from services.commands.codecs import load_codec, settled
from services.commands.signals import stop_on_signals
from services.settings.addresses import masked
from services.settings.config import Settings

Link = Annotated[
    str | None,
    typer.Option(
        "--link", metavar="PROFILE", help="put this link between: lte, dsl, ... or a file"
    ),
]
Picture = Annotated[
    Path, typer.Option("--picture", metavar="FILE", help="where the report picture goes")
]
Plot = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="also draw the curves alone into this PNG"),
]
Seconds = Annotated[
    float | None,
    typer.Option("--seconds", min=0.5, metavar="S", help="how long; 0.5 or more (default 10)"),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


@options.of(
    "sender.source",
    "sender.kbps",
    "sender.quality",
    "sender.adapt",
    "sender.loop",
    "receiver.view",
    "receiver.playout_ms",
    "receiver.record",
    "web.listen",
    *options.CODEC,
    "log.level",
    # The children's remarks would tear the live screen; what matters is an event there.
    absent={"log.level": "error"},
)
def demo(
    settings: Settings,
    seconds: Seconds = 10.0,
    link: Link = None,
    picture: Picture = Path("demo.png"),
    plot: Plot = None,
    as_json: options.Json = False,
) -> None:
    """Stream from a sender process to a receiver process on this machine, and measure it."""
    from rich.console import Console

    from services.demo.liveview import live_screen
    from services.demo.outcome import figures, lines, save_report
    from services.demo.supervisor import Supervisor
    from services.emulator.profile_file import load_profile

    settings = settled(settings)
    if link is not None:
        settings = replace(settings, link=replace(settings.link, profile=link))
        load_profile(link)  # a wrong one is told before anything starts
    console = Console(stderr=True)
    console.print(
        f"streaming {masked(settings.sender.source)}; Ctrl-C stops", highlight=False, soft_wrap=True
    )
    with stop_on_signals() as stopped, live_screen(console, masked(settings.sender.source)) as show:
        run = Supervisor(
            settings,
            seconds=seconds,
            load=load_codec,
            with_link=link is not None,
            say=lambda text: console.print(text, highlight=False, soft_wrap=True),
            show=show,
            stopped=stopped,
        ).run()
    found = figures(run, settings, link=link)
    if found is None:
        console.print("stopped before the first picture")
        return
    save_report(run, found, picture)
    if plot is not None:
        save_report(run, found, plot, curves_only=True)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for line in lines(found):
            typer.echo(line)
        typer.echo(f"picture   {picture}")
        typer.echo("next      streamcodec demo --source camera:0, or --source FILE, or --link lte")
