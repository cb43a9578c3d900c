# SPDX-License-Identifier: Apache-2.0
"""`streamcodec relay`: streams in, once each, and many out."""

from __future__ import annotations

import json

import typer

from services.commands import options
from services.commands.signals import stop_on_signals
from services.settings.config import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(relay)


@options.of(
    "relay.connect",
    "relay.bind",
    "relay.stream",
    *options.KEYS,
    "web.metrics",
    *options.LOG,
)
def relay(
    settings: Settings,
    seconds: options.Seconds = None,
    stats: options.Stats = None,
    as_json: options.Json = False,
) -> None:
    """Receive streams once and serve each to many; relays may be chained."""
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
