# SPDX-License-Identifier: Apache-2.0
"""The options of commands: each is declared once, and a command names those that it takes."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from inspect import Parameter
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer
from typer.models import ArgumentInfo, OptionInfo

from services.process import logs
from services.settings.config import catalogue
from services.settings.lookup import Resolved, describe, resolve, type_of

Json = Annotated[bool, typer.Option("--json", help="print one JSON object, and nothing else")]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="read settings from this TOML file"),
]
Stats = Annotated[
    Path | None,
    typer.Option("--stats", metavar="FILE", help="write statistics each second, as JSON lines"),
]
Seconds = Annotated[
    float | None,
    typer.Option("--seconds", min=0.1, metavar="S", help="stop after this many seconds"),
]

# What a setting's value is called in the help. The option has the name of the setting's key.
_METAVARS = {
    "sender.source": "SOURCE",
    "sender.bind": "URL",
    "sender.connect": "URL",
    "sender.stream": "NAME",
    "sender.kbps": "K",
    "sender.quality": "Q",
    "sender.tcp": "NAME",
    "codec.size": "S|M|auto",
    "codec.device": "auto|cpu|cuda[:N]",
    "codec.effort": "fast|normal|best",
    "codec.weights": "FILE",
    "receiver.connect": "URL",
    "receiver.bind": "URL",
    "receiver.stream": "NAME",
    "receiver.view": "VIEW",
    "receiver.record": "FILE",
    "receiver.push": "URL",
    "receiver.virtual_camera": "DEVICE",
    "receiver.playout_ms": "MS",
    "receiver.patience_s": "S",
    "relay.connect": "URL",
    "relay.bind": "URL",
    "relay.stream": "NAME",
    "link.listen": "URL",
    "link.connect": "URL",
    "link.profile": "PROFILE",
    "link.seed": "N",
    "web.listen": "ADDRESS",
    "web.metrics": "ADDRESS",
    "security.keys": "FOLDER",
    "log.level": "LEVEL",
    "log.format": "FORMAT",
}
_FLAGS = {
    "receiver.patience_s": "--patience",
    "log.level": "--log-level",
    "log.format": "--log-format",
}
_NOTHING: Mapping[str, object] = MappingProxyType({})

CODEC = ("codec.size", "codec.device", "codec.effort", "codec.weights")
KEYS = ("security.keys", "security.insecure")
LOG = ("log.level", "log.format")


def of(
    *names: str, absent: Mapping[str, object] = _NOTHING
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a command of a function: it has an option for each of these settings, and `--config`.

    The function takes the settings that they come to, then parameters of its own, which are
    options or arguments as typer knows them. `absent` has values for settings whose options are
    not given; they go before the environment and the file.
    """

    def made(function: Callable[..., None]) -> Callable[..., None]:
        def command(*, config: Path | None = None, **given: object) -> None:
            chosen = {name: given.pop(_parameter(name)) for name in names}
            kept = {name: value for name, value in chosen.items() if value is not None}
            function(load({**absent, **kept}, config).settings, **given)

        declared = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        own = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in declared]
        arguments = [parameter for parameter in own if _is_argument(parameter)]
        others = [parameter for parameter in own if not _is_argument(parameter)]
        command.__name__ = function.__name__
        command.__doc__ = function.__doc__
        command.__annotations__ = {}  # those of the signature are all there is
        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # see inspect
            [*arguments, *map(_option, names), *others, _keyword("config", ConfigFile)]
        )
        return command

    return made


def load(options: Mapping[str, object], config: Path | None) -> Resolved:
    """The settings of this run, with logging set up by them."""
    resolved = resolve(options, environ=os.environ, file=config)
    logs.configure(resolved.settings.log)
    return resolved


def about(name: str) -> str:
    """The help text of a setting, with its range and default."""
    spec = catalogue()[name]
    text = str(spec.metadata["help"])
    if spec.metadata["choices"] or spec.metadata["low"] is not None:
        text += f"; {describe(spec)}"
    return text if spec.default in (None, False) else f"{text} (default {spec.default})"


def _option(name: str) -> Parameter:
    """The parameter for a setting. None means that it is not given."""
    kind = type_of(catalogue()[name])
    word = name.partition(".")[2].replace("_", "-")
    flags = f"--{word}/--no-{word}" if kind is bool else _FLAGS.get(name, f"--{word}")
    info = typer.Option(flags, metavar=_METAVARS.get(name), help=about(name), show_default=False)
    assert isinstance(info, OptionInfo)
    return _keyword(_parameter(name), Annotated[kind | None, info])


def _is_argument(parameter: Parameter) -> bool:
    return any(isinstance(info, ArgumentInfo) for info in parameter.annotation.__metadata__)


def _keyword(name: str, annotation: object) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _parameter(name: str) -> str:
    return name.replace(".", "_")
