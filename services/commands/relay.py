# SPDX-License-Identifier: Apache-2.0
"""`streamcodec relay`: streams in, once each, and many out."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from services.commands import options
from services.commands.signals import stop_on_signals

Connect = Annotated[str | None, options.option("relay.connect", "--connect", "URL")]
Bind = Annotated[str | None, options.option("relay.bind", "--bind", "URL")]
Stream = Annotated[str | None, options.option("relay.stream", "--stream", "NAME")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(relay)


def relay(
    connect: Connect = None,
    bind: Bind = None,
    stream: Stream = None,
    seconds: options.Seconds = None,
    stats: options.Stats = None,
    keys: options.Keys = None,
    insecure: options.Insecure = None,
    metrics: options.Metrics = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
    config: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """Receive streams once and serve each to many; relays may stand behind relays."""
    settings = options.load(
        {
            "relay.connect": connect,
            "relay.bind": bind,
            "relay.stream": stream,
            "security.keys": keys,
            "security.insecure": insecure,
            "web.metrics": metrics,
            "log.level": log_level,
            "log.format": log_format,
        },
        config,
    ).settings
    from services.commands.follow import follow, records
    from services.process import logs
    from services.relay.assemble import make_relay
    from services.view.serving import serving_metrics

    wanted = settings.relay
    part = make_relay(settings)
    with stop_on_signals() as stopped:
        logs.get("relay").info("relaying", connect=wanted.connect, bind=wanted.bind)
        with serving_metrics(settings.web, part.snapshot):
            last = follow(
                part,
                part.snapshot,
                seconds=seconds,
                stays=True,
                stopped=stopped,
                keep=records("relay", stats, settings.log),
            )
    if as_json:
        typer.echo(json.dumps(last.as_json()))
