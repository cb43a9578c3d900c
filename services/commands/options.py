# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, as annotated types, and the settings made of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from typer.models import OptionInfo

from services.process import logs
from services.settings.config import catalogue
from services.settings.lookup import Resolved, describe, resolve


def about(name: str) -> str:
    """The help text of a setting, with its range and default."""
    spec = catalogue()[name]
    text = str(spec.metadata["help"])
    if spec.metadata["choices"] or spec.metadata["low"] is not None:
        text += f"; {describe(spec)}"
    return text if spec.default in (None, False) else f"{text} (default {spec.default})"


def option(name: str, flags: str, metavar: str | None = None) -> OptionInfo:
    """An option that stands for a setting."""
    info = typer.Option(flags, metavar=metavar, help=about(name), show_default=False)
    assert isinstance(info, OptionInfo)
    return info


ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="read settings from this TOML file"),
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object, and nothing else")]
Source = Annotated[str | None, option("sender.source", "--source", "SOURCE")]
Loop = Annotated[bool | None, option("sender.loop", "--loop/--no-loop")]
Recode = Annotated[bool | None, option("sender.recode", "--recode/--no-recode")]
Kbps = Annotated[float | None, option("sender.kbps", "--kbps", "K")]
Quality = Annotated[int | None, option("sender.quality", "--quality", "Q")]
Adapt = Annotated[bool | None, option("sender.adapt", "--adapt/--no-adapt")]
Tcp = Annotated[str | None, option("sender.tcp", "--tcp", "NAME")]
Size = Annotated[str | None, option("codec.size", "--size", "S|M|auto")]
Device = Annotated[str | None, option("codec.device", "--device", "auto|cpu|cuda[:N]")]
Effort = Annotated[str | None, option("codec.effort", "--effort", "fast|normal|best")]
Weights = Annotated[str | None, option("codec.weights", "--weights", "FILE")]
View = Annotated[str | None, option("receiver.view", "--view", "VIEW")]
PlayoutMs = Annotated[int | None, option("receiver.playout_ms", "--playout-ms", "MS")]
Record = Annotated[str | None, option("receiver.record", "--record", "FILE")]
Push = Annotated[str | None, option("receiver.push", "--push", "URL")]
VirtualCamera = Annotated[
    str | None, option("receiver.virtual_camera", "--virtual-camera", "DEVICE")
]
Stream = Annotated[str | None, option("sender.stream", "--stream", "NAME")]
Stats = Annotated[
    Path | None,
    typer.Option("--stats", metavar="FILE", help="write statistics each second, as JSON lines"),
]
Listen = Annotated[str | None, option("web.listen", "--listen", "ADDRESS")]
Metrics = Annotated[str | None, option("web.metrics", "--metrics", "ADDRESS")]
Keys = Annotated[str | None, option("security.keys", "--keys", "FOLDER")]
Insecure = Annotated[bool | None, option("security.insecure", "--insecure/--no-insecure")]
LogLevel = Annotated[str | None, option("log.level", "--log-level", "LEVEL")]
LogFormat = Annotated[str | None, option("log.format", "--log-format", "FORMAT")]
Seconds = Annotated[
    float | None,
    typer.Option("--seconds", min=0.1, metavar="S", help="stop after this many seconds"),
]


def load(options: dict[str, object], config: Path | None) -> Resolved:
    """The settings of this run, with logging set up by them."""
    resolved = resolve(options, environ=os.environ, file=config)
    logs.configure(resolved.settings.log)
    return resolved
