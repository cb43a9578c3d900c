# SPDX-License-Identifier: Apache-2.0
"""`streamcodec send` and `streamcodec recv`: the two ends, for as long as they shall run."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING

import typer

from services.commands import options
from services.commands.codecs import load_codec, settled
from services.commands.signals import stop_on_signals
from services.settings.addresses import masked
from services.settings.config import Settings

if TYPE_CHECKING:
    from services.demo.liveview import Show
    from services.measure.stats import ReceiverSnapshot, SenderSnapshot
    from services.receiver.assemble import Outputs
    from services.receiver.daemon import ReceiverDaemon
    from services.sender.daemon import Sender
    from services.sender.replay import Replay
    from services.view.page import Page


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(send)
    app.command()(recv)


@options.of(
    "sender.source",
    "sender.bind",
    "sender.connect",
    "sender.stream",
    "sender.kbps",
    "sender.quality",
    "sender.adapt",
    "sender.tcp",
    "sender.loop",
    "sender.recode",
    *options.CODEC,
    "web.metrics",
    *options.KEYS,
    *options.LOG,
)
def send(
    settings: Settings,
    seconds: options.Seconds = None,
    stats: options.Stats = None,
    as_json: options.Json = False,
) -> None:
    """Send a source to all receivers that ask for it."""
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


@options.of(
    "receiver.connect",
    "receiver.bind",
    "receiver.stream",
    "receiver.view",
    "receiver.record",
    "receiver.push",
    "receiver.virtual_camera",
    "receiver.playout_ms",
    "receiver.patience_s",
    "receiver.stay",
    "codec.size",
    "codec.device",
    "codec.weights",
    "web.listen",
    "web.metrics",
    *options.KEYS,
    *options.LOG,
)
def recv(
    settings: Settings,
    seconds: options.Seconds = None,
    stats: options.Stats = None,
    as_json: options.Json = False,
) -> None:
    """Receive a stream, and show or record it."""
    wanted = settings.receiver
    if as_json and "-" in (wanted.view, wanted.record):
        raise typer.BadParameter("--json and - both write to standard output: choose one")
    from rich.console import Console

    from services.commands.follow import follow, records
    from services.demo.liveview import live_screen
    from services.process import logs
    from services.view.serving import serving_metrics

    log = logs.get("recv")
    title = wanted.connect or wanted.bind or "receiving"
    asked, settings = settings.codec.size, settled(settings)
    with stop_on_signals() as stopped, ExitStack() as stack:
        log.info("loading", size=settings.codec.size, device=settings.codec.device)
        shown = _sinks(settings, stack)  # before the codec: a wrong name is told without waiting
        receiver = _receiver(settings, shown, stack, asked)
        page = _page(settings, receiver, shown, stack)
        stack.enter_context(serving_metrics(settings.web, receiver.snapshot))
        with live_screen(Console(stderr=True), title, roles=("receiver",)) as show:
            log.info("receiving", url=receiver.url)
            last = follow(
                receiver,
                _looking(receiver, shown, page, show=show, stopped=stopped),
                seconds=seconds,
                stays=wanted.stay,
                stopped=stopped,
                keep=records("receiver", stats, settings.log),
            )
    if as_json:
        typer.echo(json.dumps(last.as_json()))


def _sinks(settings: Settings, stack: ExitStack) -> Outputs:
    """Where pictures go; the stack closes it."""
    from services.process import logs
    from services.receiver.assemble import make_sinks

    shown = make_sinks(settings)
    for sink in shown.sinks:
        stack.callback(sink.close)
    if shown.note:
        logs.get("recv").warning("no_window", why=shown.note)
    return shown


def _receiver(settings: Settings, shown: Outputs, stack: ExitStack, asked: str) -> ReceiverDaemon:
    """A receiver with its codec, and those of other sizes where `auto` was asked for.

    The stack closes what it borrows.
    """
    from services.receiver.assemble import make_receiver
    from streamcodec.parallel import Threads
    from streamcodec.weights import alternatives

    threads = stack.enter_context(Threads(settings.codec.threads))
    codec = load_codec(settings.codec).sharing(threads)
    own = settings.codec
    others = [
        load_codec(own, size=size, device=device).sharing(threads)
        for size, device in (() if own.weights else alternatives(asked, own.size, own.device))
    ]
    return make_receiver(settings, codec, sinks=shown.sinks, others=others)


def _page(
    settings: Settings, receiver: ReceiverDaemon, shown: Outputs, stack: ExitStack
) -> Page | None:
    """The page, where pictures go to one."""
    if shown.picture is None:
        return None
    from services.process import logs
    from services.view.opening import open_page

    page = open_page(settings, receiver, shown.picture)
    stack.callback(page.close)
    logs.get("recv").info("page", url=page.url)
    return page


def _looking(
    receiver: ReceiverDaemon, shown: Outputs, page: Page | None, *, show: Show, stopped: Event
) -> Callable[[], ReceiverSnapshot]:
    """What takes a snapshot, paints it everywhere, and ends the run when the window is closed."""
    from services.measure.history import History, Moment

    history = History()

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

    return look
