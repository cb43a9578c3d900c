# SPDX-License-Identifier: Apache-2.0
"""Daemons stay, tell what happens as lines of their log, and count what happens to their source."""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from services.commands.follow import Records, follow
from services.demo.supervisor import free_port
from services.errors import EndOfSource, SourceError
from services.media.sources.source import CapturedFrame
from services.process import logs
from services.process.statsfile import Keeping
from services.protocol import messages as m
from services.protocol.packing import pack
from services.receiver.daemon import ReceiverConfig, ReceiverDaemon
from services.sender.daemon import Sender, SenderConfig
from services.settings.config import LogSettings
from services.view.metrics import is_ready
from services.wire import keys
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES, CurveClient, CurveServer, Endpoint
from services.wire.endpoint_keys import server_keys
from services.wire.key_pair import make_pair
from services.wire.keys import Right
from services.wire.transport import Port
from tests.fakes import FakeCodec, FakeSource
from tests.integration.cli import Command
from tests.integration.test_stream import make_receiver, make_sender, running, wait_for

pytestmark = pytest.mark.live


def lines(err: str, event: str) -> list[dict[str, Any]]:
    """Lines of a JSON log about an event; every line must be an object with the four fields."""
    found = [json.loads(line) for line in err.splitlines()]
    assert all({"time", "level", "part", "event"} <= line.keys() for line in found)
    return [line for line in found if line["event"] == event]


@pytest.mark.parametrize("other", [("--stream", "yard"), ("--size", "M")])
def test_a_receiver_that_stays_is_not_ended_by_a_sender_that_does_not_fit(
    command: Command, other: tuple[str, str]
) -> None:
    sender = Sender(
        SenderConfig(Endpoint("tcp://127.0.0.1:0", bind=True)),
        codec=FakeCodec.load("S"),
        source=FakeSource(),
    )
    with running(sender):
        arguments = ("recv", "--connect", sender.url, "--view", "none", *other)
        gone = command(*arguments)
        stayed = command(*arguments, "--stay", "--seconds", 2, "--log-format", "json")
    assert gone.code == 3
    assert stayed.code == 0
    (refused,) = lines(stayed.err, "refused")
    assert (refused["level"], refused["part"]) == ("warning", "receiver")
    assert other[1] in refused["text"] or "model" in refused["text"] or "stream" in refused["text"]


def test_a_stranger_cannot_end_a_listening_receiver_nor_keep_its_sender_out(
    command: Command,
) -> None:
    """It refuses, offers what does not fit, and says that all is over, again and again."""
    url = f"tcp://127.0.0.1:{free_port()}"
    stop = threading.Event()

    def strange() -> None:
        said = [
            m.Ping(1, 1),
            m.Bye(m.ByeCode.REFUSED, "no"),
            m.Welcome(1, "main", b"x" * 8, b"y" * 8, "S", 64, 48, 33_000, b""),
            m.Bye(m.ByeCode.END_OF_STREAM, "over"),
        ]
        with Port(Endpoint(url, bind=False)) as port:
            while not stop.is_set():
                port.poll(20)
                for message in said:
                    port.send(b"", pack(message))

    sender = Sender(
        SenderConfig(Endpoint(url, bind=False)), codec=FakeCodec.load("S"), source=FakeSource()
    )
    stranger = threading.Thread(target=strange, name="stranger")
    stranger.start()
    begun = threading.Timer(1.5, sender.start)
    begun.start()
    try:
        outcome = command(
            *("recv", "--bind", url, "--view", "none", "--stay", "--seconds", 5),
            *("--log-format", "json", "--json"),
        )
    finally:
        begun.join()
        stop.set()
        stranger.join()
        sender.stop()
    assert outcome.code == 0
    assert outcome.json["framesDisplayed"] > 20
    told = lines(outcome.err, "stranger")
    assert told
    assert len(told) <= 11
    assert lines(outcome.err, "connected")


class Camera(FakeSource):
    """A source that opens itself again, and can be pulled out."""

    def __init__(self) -> None:
        super().__init__(fps=50.0)
        self.lost = ""
        self.attempts = 0

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """Nothing while it is out."""
        if self.lost:
            self.attempts += 1
            time.sleep(0.02)
            return None
        return super().read(timeout_s)


def test_a_source_that_goes_and_returns_is_counted_told_and_seen_in_readiness() -> None:
    camera = Camera()
    sender = make_sender(source=camera)
    with running(sender, make_receiver(sender.url)):
        wait_for(lambda: is_ready(sender.snapshot())[0])
        for _ in range(2):
            camera.lost = "camera:0: unplugged"
            wait_for(lambda: not is_ready(sender.snapshot())[0])
            assert is_ready(sender.snapshot())[1] == "the source is gone: camera:0: unplugged"
            tries = sender.snapshot().source_attempts
            wait_for(lambda tries=tries: sender.snapshot().source_attempts > tries)  # type: ignore[misc]
            camera.lost = ""
            wait_for(lambda: is_ready(sender.snapshot())[0])
        found = sender.snapshot()
    assert found.source_restarts == 2
    told = [event.name for event in found.events if event.name.startswith("source")]
    assert told == ["source_lost", "source_back"] * 2


def test_a_source_that_only_fails_is_told_once_and_tried_again() -> None:
    class Broken(FakeSource):
        def read(self, timeout_s: float) -> CapturedFrame | None:
            raise SourceError("the fake camera is broken")

    sender = make_sender(source=Broken())
    with running(sender):
        wait_for(lambda: sender.snapshot().source_attempts > 1)
        found = sender.snapshot()
    assert found.source_restarts == 1
    assert [e.text for e in found.events if e.name == "source_lost"] == [
        "the fake camera is broken"
    ]


@contextmanager
def following(part: Any, keep: Records) -> Iterator[None]:
    """`follow` a part in a thread, as a command does."""
    stopped = threading.Event()
    thread = threading.Thread(
        target=follow,
        args=(part, part.snapshot),
        kwargs={"seconds": None, "stays": True, "stopped": stopped, "keep": keep},
    )
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def test_every_event_of_a_daemon_is_a_line_of_its_log(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format="json"))
    sender = make_sender()
    with following(sender, Records("sender")):
        wait_for(lambda: not sender.url.endswith(":0"))
        with Port(Endpoint(sender.url, bind=False)) as noisy:

            def heard() -> bool:
                noisy.poll(20)
                noisy.send(b"", b"garbage")
                return sender.snapshot().hostile_messages > 0

            wait_for(heard)
        receiver = make_receiver(sender.url, name="alice stream=other")
        with running(receiver):
            wait_for(lambda: receiver.snapshot().frames_displayed > 3)
        wait_for(lambda: any(e.name == "left" for e in sender.snapshot().events))
        shown = sender.snapshot().events
    err = capfd.readouterr().err
    assert {"bad_message", "connected", "keyframe", "left"} <= {e.name for e in shown}
    for event in shown:
        assert any(line.get("text", "") == event.text for line in lines(err, event.name)), event


def test_keys_that_cannot_be_read_cut_nobody_off_and_are_told_everywhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logs.configure(LogSettings(format="json"))
    folder = tmp_path / "keys"
    identity = keys.create(folder, make_pair)
    public, secret = make_pair()
    keys.allow(folder, "alice", public.decode(), frozenset({Right.VIEW}))
    server: CurveServer = server_keys(folder, peers_need=Right.VIEW)
    sender = Sender(
        SenderConfig(Endpoint("tcp://127.0.0.1:0", bind=True, keys=server)),
        codec=FakeCodec(),
        source=FakeSource(),
    )
    with following(sender, Records("sender")):
        wait_for(lambda: not sender.url.endswith(":0"))
        receiver = _client(sender.url, public, secret, identity.public_key)
        with running(receiver):
            wait_for(lambda: receiver.snapshot().frames_displayed > 3)
            (folder / "allowed").rename(folder / "aside")
            wait_for(lambda: bool(sender.snapshot().keys_trouble))
            shown = receiver.snapshot().frames_displayed
            wait_for(lambda: receiver.snapshot().frames_displayed > shown + 10)
            (folder / "aside").rename(folder / "allowed")
            keys.revoke(folder, "alice")
            wait_for(lambda: not sender.snapshot().viewers)
            assert not sender.snapshot().keys_trouble
    err = capfd.readouterr().err
    (told,) = lines(err, "keys_unreadable")
    assert told["level"] == "error"
    assert str(folder / "allowed") in told["text"]
    assert [line["text"] for line in lines(err, "revoked")] == ["alice may not view any more"]
    assert secret.decode() not in err


def _client(url: str, public: bytes, secret: bytes, server: bytes) -> ReceiverDaemon:
    endpoint = Endpoint(
        url,
        bind=False,
        keys=CurveClient(public, secret, server),
        max_message_bytes=MAX_PACKET_MESSAGE_BYTES,
    )
    return ReceiverDaemon(ReceiverConfig(endpoint), codec=FakeCodec())


def test_a_hangup_opens_the_statistics_again_and_ends_nothing(
    command: Command, tmp_path: Path
) -> None:
    stats = tmp_path / "stats.jsonl"
    moved = tmp_path / "moved"
    done = threading.Event()

    def has_a_line() -> bool:
        return stats.exists() and stats.stat().st_size > 0

    def send(number: signal.Signals) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, number)

    def rotate() -> None:
        with suppress(AssertionError):
            wait_for(has_a_line, seconds=20.0)
            stats.rename(moved)
            send(signal.SIGHUP)
            wait_for(has_a_line, seconds=20.0)
            done.set()
            send(signal.SIGTERM)

    rotating = threading.Thread(target=rotate)
    rotating.start()
    outcome = command(
        *("send", "--source", "scene:64x48@30", "--bind", f"tcp://127.0.0.1:{free_port()}"),
        *("--seconds", 50, "--stats", stats, "--log-format", "json"),
    )
    rotating.join()
    assert done.is_set()
    assert outcome.code == 0, outcome.err
    assert len(lines(outcome.err, "reloaded")) == 1
    for path in (stats, moved):
        assert all(json.loads(line)["role"] == "sender" for line in path.read_text().splitlines())


def test_statistics_of_a_daemon_rotate(tmp_path: Path) -> None:
    sender = make_sender()
    path = tmp_path / "stats.jsonl"
    with following(sender, Records("sender", path, Keeping(most_bytes=1, files=1))):
        wait_for((tmp_path / "stats.jsonl.1").exists, seconds=10.0)
    assert json.loads(path.read_text())["role"] == "sender"
    assert logging.getLogger("streamcodec").handlers


def test_the_end_of_a_source_is_no_loss() -> None:
    class Over(FakeSource):
        def read(self, timeout_s: float) -> CapturedFrame | None:
            raise EndOfSource("over")

    sender = make_sender(source=Over(live=True))
    with running(sender):
        wait_for(lambda: sender.ended)
        assert sender.snapshot().source_restarts == 0
