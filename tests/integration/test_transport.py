# SPDX-License-Identifier: Apache-2.0
"""Ports let in whom they should, and open nothing that was not asked for."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from services.errors import AuthenticationError, ConfigError
from services.wire.endpoint import CurveClient, CurveServer, Endpoint, check
from services.wire.tcp_control import copied
from services.wire.transport import ANY_PEER, ConnectionEvent, Port, SendResult
from tests.unit.services.wire.test_tcp_control import control_of

pytestmark = pytest.mark.live

ANY_PORT = "tcp://127.0.0.1:0"


def collect(port: Port, *, seconds: float = 1.0, messages: int = 1) -> list[tuple[bytes, bytes]]:
    """Messages until there are enough, or the time is over."""
    found: list[tuple[bytes, bytes]] = []
    deadline = time.monotonic() + seconds
    while len(found) < messages and time.monotonic() < deadline:
        found += port.poll(10).messages
    return found


def send_when_connected(port: Port, data: bytes, *, seconds: float = 1.0) -> bool:
    deadline = time.monotonic() + seconds
    while port.send(ANY_PEER, data) is not SendResult.SENT:
        if time.monotonic() > deadline:
            return False
        port.poll(5)
    return True


def curve() -> tuple[bytes, bytes]:
    public, secret = zmq.curve_keypair()
    return public, secret


@pytest.mark.parametrize(
    "url",
    [
        "tcp://0.0.0.0:5555",
        "tcp://*:5555",
        "tcp://192.168.1.4:5555",
        "tcp://[::]:5555",
        "tcp://eth0:5555",
    ],
)
def test_plain_listening_beyond_loopback_must_be_asked_for(url: str) -> None:
    with pytest.raises(ConfigError, match="without keys"):
        check(Endpoint(url, bind=True))
    check(Endpoint(url, bind=True, insecure=True))
    check(Endpoint(url, bind=False))


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:1", "tcp://[::1]:1", "tcp://localhost:1"])
def test_loopback_needs_no_keys(url: str) -> None:
    check(Endpoint(url, bind=True))


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:5555", "udp://127.0.0.1:1", "tcp://host", "tcp://h:99999", "ipc://"]
)
def test_a_wrong_address_is_named(url: str) -> None:
    with pytest.raises(ConfigError):
        check(Endpoint(url, bind=True))


def test_an_ipc_path_that_the_system_would_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="107"):
        check(Endpoint(f"ipc://{tmp_path}/{'x' * 120}", bind=True))
    with (
        Port(Endpoint(f"ipc://{tmp_path}/s", bind=True)) as server,
        Port(Endpoint(f"ipc://{tmp_path}/s", bind=False)) as client,
    ):
        assert send_when_connected(client, b"hello")
        assert collect(server)[0][1] == b"hello"


def test_an_ipc_path_in_use_is_not_taken_over(tmp_path: Path) -> None:
    url = f"ipc://{tmp_path}/s"
    with Port(Endpoint(url, bind=True)), pytest.raises(ConfigError, match="in use"):
        Port(Endpoint(url, bind=True)).open()
    with Port(Endpoint(url, bind=True)):  # what a closed one left behind is
        pass


def test_messages_go_both_ways_and_the_peer_is_named() -> None:
    with (
        Port(Endpoint(ANY_PORT, bind=True)) as server,
        Port(Endpoint(server.url, bind=False)) as client,
    ):
        assert send_when_connected(client, b"question")
        ((peer, data),) = collect(server)
        assert data == b"question"
        assert server.send(peer, b"answer") is SendResult.SENT
        assert collect(client) == [(ANY_PEER, b"answer")]


def test_sending_to_an_unknown_peer_says_gone() -> None:
    with Port(Endpoint(ANY_PORT, bind=True)) as server:
        assert server.send(b"nobody", b"x") is SendResult.GONE


def test_nothing_queues_for_a_peer_that_is_away() -> None:
    with Port(Endpoint("tcp://127.0.0.1:9", bind=False)) as client:
        assert client.send(ANY_PEER, b"x") is SendResult.FULL


def test_any_thread_can_end_a_poll() -> None:
    with Port(Endpoint(ANY_PORT, bind=True)) as port:
        threads = [threading.Thread(target=port.wake) for _ in range(20)]
        for thread in threads:
            thread.start()
        begin = time.monotonic()
        port.poll(10_000)
        assert time.monotonic() - begin < 5
        for thread in threads:
            thread.join()


def test_a_rebuilt_port_keeps_its_address() -> None:
    with Port(Endpoint(ANY_PORT, bind=True)) as server:
        url = server.url
        with Port(Endpoint(url, bind=False)) as client:
            assert send_when_connected(client, b"one")
            collect(server)
            client.rebuild()
            assert send_when_connected(client, b"two")
            assert collect(server)[0][1] == b"two"


def test_allowed_keys_get_in_and_others_get_nothing() -> None:
    server_keys, friend, stranger = curve(), curve(), curve()
    server_side = CurveServer(*server_keys, allowed=frozenset({friend[0]}))
    with Port(Endpoint(ANY_PORT, bind=True, keys=server_side)) as server:
        assert server.encrypted
        good = CurveClient(*friend, server_key=server_keys[0])
        with Port(Endpoint(server.url, bind=False, keys=good)) as client:
            assert send_when_connected(client, b"secret")
            assert collect(server)[0][1] == b"secret"
        for keys in (CurveClient(*stranger, server_key=server_keys[0]), None):
            with Port(Endpoint(server.url, bind=False, keys=keys)) as client:
                assert not send_when_connected(client, b"let me in", seconds=0.4)
                assert collect(server, seconds=0.1) == []


def test_a_refused_key_is_reported_to_its_owner() -> None:
    server_keys, stranger = curve(), curve()
    server_side = CurveServer(*server_keys, allowed=frozenset())
    with Port(Endpoint(ANY_PORT, bind=True, keys=server_side)) as server:
        keys = CurveClient(*stranger, server_key=server_keys[0])
        with Port(Endpoint(server.url, bind=False, keys=keys)) as client:
            events: list[ConnectionEvent] = []
            deadline = time.monotonic() + 2.0
            while ConnectionEvent.REFUSED not in events and time.monotonic() < deadline:
                server.poll(5)
                events += client.poll(10).events
            assert ConnectionEvent.REFUSED in events


def test_a_client_insists_on_its_server() -> None:
    server_keys, impostor, friend = curve(), curve(), curve()
    server_side = CurveServer(*impostor, allowed=frozenset({friend[0]}))
    with Port(Endpoint(ANY_PORT, bind=True, keys=server_side)) as server:
        keys = CurveClient(*friend, server_key=server_keys[0])
        with Port(Endpoint(server.url, bind=False, keys=keys)) as client:
            assert not send_when_connected(client, b"secret", seconds=0.4)


def test_keys_must_fit_the_role() -> None:
    keys = curve()
    with pytest.raises(AuthenticationError):
        check(Endpoint(ANY_PORT, bind=True, keys=CurveClient(*keys, server_key=keys[0])))
    with pytest.raises(AuthenticationError):
        check(Endpoint(ANY_PORT, bind=False, keys=CurveServer(*keys, allowed=frozenset())))


def test_secret_keys_are_not_printed() -> None:
    public, secret = curve()
    shown = repr(Endpoint(ANY_PORT, bind=True, keys=CurveServer(public, secret, frozenset())))
    assert secret.decode() not in shown


@pytest.mark.skipif(not hasattr(socket, "TCP_CONGESTION"), reason="no choice on this system")
def test_the_congestion_control_of_each_connection_can_be_chosen() -> None:
    with (
        Port(Endpoint(ANY_PORT, bind=True, tcp_control="reno")) as sender,
        Port(Endpoint(sender.url, bind=False)) as receiver,
    ):
        assert send_when_connected(receiver, b"hello")
        assert collect(sender)
        port = int(sender.url.rpartition(":")[2])
        controls = {control_of(one) for one in _connections_on(port)}
    assert controls == {"reno"}


def _connections_on(port: int) -> Iterator[socket.socket]:
    """This process's accepted connections at a local port, as copies."""
    for name in os.listdir("/proc/self/fd"):
        try:
            copy = copied(int(name))
        except OSError:
            continue  # no socket
        with copy:
            if copy.family in (socket.AF_INET, socket.AF_INET6) and copy.type == socket.SOCK_STREAM:
                try:
                    copy.getpeername()
                except OSError:
                    continue  # it listens
                if copy.getsockname()[1] == port:
                    yield copy
