# SPDX-License-Identifier: Apache-2.0
"""`streamcodec doctor`: tells what this machine can do."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.commands import options
from services.commands.codecs import load_codec
from services.settings.config import Settings

if TYPE_CHECKING:
    from services.commands.machine import Report


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


@options.of("codec.size")
def doctor(
    settings: Settings,
    measure: Annotated[
        bool, typer.Option("--speed/--no-speed", help="measure the speed at three sizes")
    ] = True,
    as_json: options.Json = False,
) -> None:
    """Tell what this machine can do: versions, devices, exactness, cameras, display, speed."""
    from services.commands.machine import examine, places

    weights = Path(settings.codec.weights) if settings.codec.weights else None
    report = examine(
        places(settings.codec.size, weights),
        load=lambda size, device: load_codec(settings.codec, size=size, device=device),
        measure=measure,
    )
    if as_json:
        speeds = [asdict(s) | {"fps": round(s.fps, 1)} for s in report.speed]
        typer.echo(json.dumps(asdict(report) | {"speed": speeds}))
    else:
        _print(report)
    if report.problems:
        raise typer.Exit(1)


def _print(report: Report) -> None:
    for name, text in report.machine.items():
        typer.echo(f"{name:<12} {text}")
    typer.echo("versions     " + ", ".join(f"{k} {v}" for k, v in report.versions.items()))
    for device in report.devices:
        typer.echo(
            f"size {device.size}       on {device.name} ({device.text}), encoder {device.encoder}; "
            f"test {device.self_test}"
        )
    exact = "devices agree" if report.exact else "DEVICES DISAGREE"
    models = ", ".join(f"model {size} {digest}" for size, digest in report.models.items())
    typer.echo(f"exactness    {exact}; {models}")
    typer.echo(f"cameras      {', '.join(report.cameras) or 'none found'}")
    typer.echo(f"display      {'yes' if report.display else 'none: use --view none or a file'}")
    for speed in report.speed:
        size = f"{speed.width}x{speed.height}"
        typer.echo(
            f"speed        {speed.size} on {speed.device:<6} {size:<9} encode "
            f"{speed.encode_ms:6.1f} ms, decode {speed.decode_ms:6.1f} ms: {speed.fps:.0f} fps"
        )
    for problem in report.problems:
        typer.echo(f"problem      {problem}", err=True)
