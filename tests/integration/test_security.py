# SPDX-License-Identifier: Apache-2.0
"""Who is not allowed gets nothing, is counted, and disturbs nobody."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.errors import ConfigError
from services.protocol.planner import Rules
from services.receiver.daemon import ReceiverConfig, ReceiverDaemon
from services.sender.daemon import Sender, SenderConfig
from services.wire import keys
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES, CurveClient, CurveServer, Endpoint
from services.wire.endpoint_keys import client_keys, server_keys
from services.wire.key_pair import make_pair
from services.wire.keys import Right
from services.wire.transport import Port, SendResult
from tests.fakes import FakeCodec, FakeSink, FakeSource
from tests.integration.test_stream import running, wait_for

pytestmark = pytest.mark.live

ANY_PORT = "tcp://127.0.0.1:0"


class Party:
    """Someone with a folder of keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.public = keys.create(folder, make_pair).public_key.decode()

    def allows(self, name: str, other: Party, right: Right) -> None:
        keys.allow(self.folder, name, other.public, frozenset({right}))


@pytest.fixture
def party(tmp_path: Path) -> Callable[[str], Party]:
    return lambda name: Party(tmp_path / name)


@pytest.fixture
def studio(party: Callable[[str], Party]) -> Party:
    return party("studio")


@contextmanager
def sending(studio: Party, *, fps: float = 60.0) -> Iterator[Sender]:
    endpoint = Endpoint(ANY_PORT, bind=True, keys=server_keys(studio.folder, peers_need=Right.VIEW))
    sender = Sender(
        SenderConfig(endpoint, rules=Rules(quality=30, adaptive=False)),
        codec=FakeCodec(),
        source=FakeSource(fps=fps),
    )
    with running(sender):
        yield sender


@contextmanager
def watching(
    url: str, curve: CurveClient | None, *, name: str = "anybody"
) -> Iterator[tuple[ReceiverDaemon, FakeSink]]:
    sink = FakeSink()
    endpoint = Endpoint(url, bind=False, keys=curve, max_message_bytes=MAX_PACKET_MESSAGE_BYTES)
    receiver = ReceiverDaemon(ReceiverConfig(endpoint, name=name), codec=FakeCodec(), sinks=[sink])
    with running(receiver):
        yield receiver, sink


def viewer_keys(studio: Party, viewer: Party, name: str) -> CurveClient:
    studio.allows(name, viewer, Right.VIEW)
    viewer.allows("studio", studio, Right.PUBLISH)
    return client_keys(viewer.folder, peer_needs=Right.PUBLISH)


def gets_nothing(sink: FakeSink, *, seconds: float = 0.7) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not sink.frames:
        time.sleep(0.02)
    return not sink.frames


def test_an_allowed_viewer_sees_the_stream_under_the_name_of_its_key(
    studio: Party, party: Callable[[str], Party]
) -> None:
    curve = viewer_keys(studio, party("a"), "alice")
    with sending(studio) as sender, watching(sender.url, curve, name="root") as (_, sink):
        wait_for(lambda: len(sink.frames) >= 10)
        assert [viewer.name for viewer in sender.snapshot().viewers] == ["alice"]


def test_no_key_and_a_wrong_key_get_nothing_and_are_counted(
    studio: Party, party: Callable[[str], Party]
) -> None:
    friend = viewer_keys(studio, party("a"), "alice")
    stranger = CurveClient(*make_pair(), server_key=studio.public.encode())
    with sending(studio) as sender, watching(sender.url, friend) as (_, seen):
        wait_for(lambda: len(seen.frames) >= 3)
        for curve in (None, stranger):
            before = sender.snapshot().refused_connections
            with watching(sender.url, curve) as (_, sink):
                assert gets_nothing(sink)
            wait_for(lambda: sender.snapshot().refused_connections > before)  # noqa: B023
        shown = len(seen.frames)
        wait_for(lambda: len(seen.frames) >= shown + 10)
        assert len(sender.snapshot().viewers) == 1


def test_a_revoked_key_is_cut_off_within_two_seconds_and_the_others_are_not(
    studio: Party, party: Callable[[str], Party]
) -> None:
    alice = viewer_keys(studio, party("a"), "alice")
    bob = viewer_keys(studio, party("b"), "bob")
    with (
        sending(studio) as sender,
        watching(sender.url, alice) as (_, hers),
        watching(sender.url, bob) as (_, his),
    ):
        wait_for(lambda: len(hers.frames) >= 5 and len(his.frames) >= 5)
        keys.revoke(studio.folder, "alice")
        time.sleep(2.0)
        shown = len(hers.frames)
        his_shown = len(his.frames)
        wait_for(lambda: len(his.frames) >= his_shown + 20)
        assert len(hers.frames) == shown
        assert [viewer.name for viewer in sender.snapshot().viewers] == ["bob"]


def test_a_key_allowed_later_gets_in_without_a_restart(
    studio: Party, party: Callable[[str], Party]
) -> None:
    late = party("late")
    late.allows("studio", studio, Right.PUBLISH)
    curve = client_keys(late.folder, peer_needs=Right.PUBLISH)
    with sending(studio) as sender, watching(sender.url, curve) as (_, sink):
        assert gets_nothing(sink)
        studio.allows("late", late, Right.VIEW)
        wait_for(lambda: bool(sink.frames), seconds=8.0)


def test_a_key_that_may_view_may_not_publish(studio: Party, party: Callable[[str], Party]) -> None:
    camera = party("camera")
    studio.allows("camera", camera, Right.VIEW)
    camera.allows("studio", studio, Right.VIEW)
    sink = FakeSink()
    listening = Endpoint(
        ANY_PORT,
        bind=True,
        keys=server_keys(studio.folder, peers_need=Right.PUBLISH),
        max_message_bytes=MAX_PACKET_MESSAGE_BYTES,
    )
    receiver = ReceiverDaemon(ReceiverConfig(listening), codec=FakeCodec(), sinks=[sink])
    with running(receiver):
        curve = client_keys(camera.folder, peer_needs=Right.VIEW)
        sender = Sender(
            SenderConfig(Endpoint(receiver.url, bind=False, keys=curve)),
            codec=FakeCodec(),
            source=FakeSource(fps=30.0),
        )
        with running(sender):
            assert gets_nothing(sink)
            studio.allows("camera", camera, Right.PUBLISH)
            wait_for(lambda: bool(sink.frames), seconds=8.0)


def test_without_its_authenticator_a_port_admits_nobody(
    studio: Party, party: Callable[[str], Party]
) -> None:
    curve = viewer_keys(studio, party("a"), "alice")
    server = server_keys(studio.folder, peers_need=Right.VIEW)
    with Port(Endpoint(ANY_PORT, bind=True, keys=server)) as port:
        port.stop_gatekeeper()
        with Port(Endpoint(port.url, bind=False, keys=curve)) as client:
            deadline = time.monotonic() + 1.0
            sent = []
            while time.monotonic() < deadline:
                client.poll(10)
                sent.append(client.send(b"", b"let me in"))
                assert port.poll(10).messages == []
            assert SendResult.SENT not in sent


def test_connections_that_never_speak_disturb_nobody(
    studio: Party, party: Callable[[str], Party]
) -> None:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = 1000 if files > 2500 else 200
    curve = viewer_keys(studio, party("a"), "alice")
    with sending(studio) as sender, watching(sender.url, curve) as (_, sink), ExitStack() as mute:
        wait_for(lambda: len(sink.frames) >= 3)
        parts = urlsplit(sender.url)
        for _ in range(count):
            raw = mute.enter_context(socket.socket())
            raw.settimeout(2.0)
            raw.connect((parts.hostname, parts.port))
        shown = len(sink.frames)
        wait_for(lambda: len(sink.frames) >= shown + 30)
        assert len(sender.snapshot().viewers) == 1


def test_without_keys_only_loopback_is_served() -> None:
    with pytest.raises(ConfigError, match="keys new"):
        Port(Endpoint("tcp://0.0.0.0:0", bind=True))


def test_the_secret_stays_out_of_what_is_printed(studio: Party) -> None:
    server = server_keys(studio.folder, peers_need=Right.VIEW)
    assert isinstance(server, CurveServer)
    assert server.secret_key.decode() not in repr(server)
