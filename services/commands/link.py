# SPDX-License-Identifier: Apache-2.0
"""`streamcodec link` and `streamcodec simulate`: thin links, in real time and in virtual time."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from services.commands import options
from services.commands.codecs import load_codec, settled
from services.commands.signals import stop_on_signals
from services.settings.config import Settings

SimulatedSeconds = Annotated[
    float, typer.Option("--seconds", min=1, max=36_000, metavar="S", help="length of the stream")
]
Clip = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="SOURCE",
        help="code this with the real codec (scene:WxH@FPS, a video, a folder); "
        "without it a model of the codec stands in",
    ),
]
ClipFrames = Annotated[
    int,
    typer.Option(
        "--frames", min=2, max=3000, metavar="N", help="frames of the source, played to and fro"
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="draw capacity, rate, delay and PSNR into a PNG"),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(link)
    app.command()(simulate)


@options.of("link.listen", "link.connect", "link.profile", "link.seed", *options.LOG)
def link(
    settings: Settings, seconds: options.Seconds = None, as_json: options.Json = False
) -> None:
    """Stand between a sender and its receivers as a thin link: a TCP proxy, no rights needed."""
    from services.emulator.profile_file import load_profile
    from services.emulator.proxy import PROXY_NOTICE, LinkProxy
    from services.process import logs

    wanted = settings.link
    proxy = LinkProxy(wanted.listen, wanted.connect, load_profile(wanted.profile), seed=wanted.seed)
    log = logs.get("link")
    with stop_on_signals() as stopped:
        proxy.start()
        try:
            log.info("listening", url=proxy.endpoint, to=wanted.connect, profile=wanted.profile)
            log.info("note", text=PROXY_NOTICE)
            stopped.wait(seconds)
            last = proxy.snapshot()
        finally:
            proxy.stop()
    if as_json:
        typer.echo(json.dumps(asdict(last)))


@options.of("link.profile", "link.seed", "codec.size", "sender.adapt")
def simulate(
    settings: Settings,
    seconds: SimulatedSeconds = 30.0,
    source: Clip = None,
    frames: ClipFrames = 120,
    plot: Plot = None,
    as_json: options.Json = False,
) -> None:
    """Stream over an emulated link in virtual time: no sockets, minutes in seconds."""
    from services.demo.simulation import clip_footage, figures, sentences, write_plot
    from services.emulator.profile_file import load_profile
    from services.emulator.simulate import SimulationOptions
    from services.emulator.simulate import simulate as run

    chosen = load_profile(settings.link.profile)
    footage = []
    fps = 30.0
    if source is not None:
        clip, fps = clip_footage(load_codec(settled(settings).codec), source, frames)
        footage.append(clip)
    wanted = SimulationOptions(
        seconds=seconds,
        seed=1 + settings.link.seed,
        frames_per_second=fps,
        adapts=settings.sender.adapt,
    )
    result = run(chosen, wanted, footage=footage)
    if plot is not None:
        write_plot(result, plot, codec="real codec" if source else "model of the codec")
    if as_json:
        typer.echo(json.dumps(figures(result)))
        return
    for sentence in sentences(result):
        typer.echo(sentence)
    if plot is not None:
        typer.echo(f"plot      {plot}")
