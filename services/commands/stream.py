# SPDX-License-Identifier: Apache-2.0
"""`streamcodec send` and `streamcodec recv`: the two ends, for as long as they shall run."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from services.commands import options
from services.commands.codecs import load_codec, settled
from services.commands.signals import stop_on_signals
from services.settings.addresses import masked

if TYPE_CHECKING:
    from services.measure.stats import ReceiverSnapshot, SenderSnapshot
    from services.sender.daemon import Sender
    from services.sender.replay import Replay
    from services.settings.config import Settings

SenderBind = Annotated[str | None, options.option("sender.bind", "--bind", "URL")]
SenderConnect = Annotated[str | None, options.option("sender.connect", "--connect", "URL")]
ReceiverBind = Annotated[str | None, options.option("receiver.bind", "--bind", "URL")]
ReceiverConnect = Annotated[str | None, options.option("receiver.connect", "--connect", "URL")]
ReceiverStream = Annotated[str | None, options.option("receiver.stream", "--stream", "NAME")]
Patience = Annotated[float | None, options.option("receiver.patience_s", "--patience", "S")]
Stay = Annotated[bool | None, options.option("receiver.stay", "--stay/--no-stay")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(send)
    app.command()(recv)


def send(
    source: options.Source = None,
    bind: SenderBind = None,
    connect: SenderConnect = None,
    stream: options.Stream = None,
    kbps: options.Kbps = None,
    quality: options.Quality = None,
    adapt: options.Adapt = None,
    tcp: options.Tcp = None,
    size: options.Size = None,
    device: options.Device = None,
    effort: options.Effort = None,
    weights: options.Weights = None,
    loop: options.Loop = None,
    recode: options.Recode = None,
    seconds: options.Seconds = None,
    stats: options.Stats = None,
    metrics: options.Metrics = None,
    keys: options.Keys = None,
    insecure: options.Insecure = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
    config: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """Send a source to all receivers that ask for it."""
    settings = options.load(
        {
            "sender.source": source,
            "sender.bind": bind,
            "sender.connect": connect,
            "sender.stream": stream,
            "sender.kbps": kbps,
            "sender.quality": quality,
            "sender.adapt": adapt,
            "sender.tcp": tcp,
            "sender.loop": loop,
            "sender.recode": recode,
            "codec.size": size,
            "codec.device": device,
            "codec.effort": effort,
            "codec.weights": weights,
            "web.metrics": metrics,
            "security.keys": keys,
            "security.insecure": insecure,
            "log.level": log_level,
            "log.format": log_format,
        },
        config,
    ).settings
    from rich.console import Console

    from services.commands.follow import follow, records
    from services.demo.liveview import live_screen
    from services.measure.history import Moment
    from services.process import logs
    from services.view.serving import serving_metrics

    log = logs.get("send")
    with stop_on_signals() as stopped, ExitStack() as stack:
        sender = _replay(settings) if _replays(settings) else _sender(settings, stack)
        with live_screen(
            Console(stderr=True), masked(settings.sender.source), roles=("sender",)
        ) as show:

            def look() -> SenderSnapshot:
                snapshot = sender.snapshot()
                show(Moment(snapshot.at_us, snapshot, None), ())
                return snapshot

            log.info("sending", source=settings.sender.source, url=sender.url)
            with serving_metrics(settings.web, sender.snapshot):
                last = follow(
                    sender,
                    look,
                    seconds=seconds,
                    stays=False,
                    stopped=stopped,
                    keep=records("sender", stats, settings.log),
                )
    if as_json:
        typer.echo(json.dumps(last.as_json()))


def _replays(settings: Settings) -> bool:
    """True for a recording whose packets go out as they are."""
    return settings.sender.source.lower().endswith(".scv") and not settings.sender.recode


def _replay(settings: Settings) -> Replay:
    from services.sender.assemble_replay import make_replay

    return make_replay(settings)


def _sender(settings: Settings, stack: ExitStack) -> Sender:
    """A sender with its codec loaded; the stack closes what it borrows."""
    from services.process import logs
    from services.sender.assemble import make_sender
    from streamcodec.parallel import Threads

    settings = settled(settings)
    threads = stack.enter_context(Threads(settings.codec.threads))
    logs.get("send").info("loading", size=settings.codec.size, device=settings.codec.device)
    return make_sender(settings, lambda: load_codec(settings.codec).sharing(threads))


def recv(
    connect: ReceiverConnect = None,
    bind: ReceiverBind = None,
    stream: ReceiverStream = None,
    view: options.View = None,
    record: options.Record = None,
    push: options.Push = None,
    virtual_camera: options.VirtualCamera = None,
    playout_ms: options.PlayoutMs = None,
    patience: Patience = None,
    stay: Stay = None,
    size: options.Size = None,
    device: options.Device = None,
    weights: options.Weights = None,
    seconds: options.Seconds = None,
    stats: options.Stats = None,
    listen: options.Listen = None,
    metrics: options.Metrics = None,
    keys: options.Keys = None,
    insecure: options.Insecure = None,
    log_level: options.LogLevel = None,
    log_format: options.LogFormat = None,
    config: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """Receive a stream, and show or record it."""
    if as_json and "-" in (view, record):
        raise typer.BadParameter("--json and - both write to standard output: choose one")
    settings = options.load(
        {
            "receiver.connect": connect,
            "receiver.bind": bind,
            "receiver.stream": stream,
            "receiver.view": view,
            "receiver.record": record,
            "receiver.push": push,
            "receiver.virtual_camera": virtual_camera,
            "receiver.playout_ms": playout_ms,
            "receiver.patience_s": patience,
            "receiver.stay": stay,
            "codec.size": size,
            "codec.device": device,
            "codec.weights": weights,
            "web.listen": listen,
            "web.metrics": metrics,
            "security.keys": keys,
            "security.insecure": insecure,
            "log.level": log_level,
            "log.format": log_format,
        },
        config,
    ).settings
    from rich.console import Console

    from services.commands.follow import follow, records
    from services.demo.liveview import live_screen
    from services.measure.history import History, Moment
    from services.process import logs
    from services.receiver.assemble import make_receiver, make_sinks
    from services.view.serving import serving_metrics
    from streamcodec.parallel import Threads

    log = logs.get("recv")
    settings = settled(settings)
    with stop_on_signals() as stopped, ExitStack() as stack:
        log.info("loading", size=settings.codec.size, device=settings.codec.device)
        shown = make_sinks(
            settings
        )  # before the codec, which takes seconds: a wrong name should not
        for sink in shown.sinks:
            stack.callback(sink.close)
        if shown.note:
            log.warning("no_window", why=shown.note)
        threads = stack.enter_context(Threads(settings.codec.threads))
        codec = load_codec(settings.codec).sharing(threads)
        receiver = make_receiver(settings, codec, sinks=shown.sinks)
        history = History()
        title = settings.receiver.connect or settings.receiver.bind or "receiving"
        page = None
        if shown.picture is not None:
            from services.view.opening import open_page

            page = open_page(settings, receiver, shown.picture)
            stack.callback(page.close)
            log.info("page", url=page.url)
        stack.enter_context(serving_metrics(settings.web, receiver.snapshot))
        with live_screen(Console(stderr=True), title, roles=("receiver",)) as show:

            def look() -> ReceiverSnapshot:
                snapshot = receiver.snapshot()
                moment = Moment(snapshot.at_us, None, snapshot)
                history.add(moment)
                show(moment, history.samples)
                if page is not None:
                    page.show(moment, history.samples)
                if shown.window is not None and shown.window.closed:
                    stopped.set()
                return snapshot

            log.info("receiving", url=receiver.url)
            last = follow(
                receiver,
                look,
                seconds=seconds,
                stays=settings.receiver.stay,
                stopped=stopped,
                keep=records("receiver", stats, settings.log),
            )
    if as_json:
        typer.echo(json.dumps(last.as_json()))
