# SPDX-License-Identifier: Apache-2.0
"""The stream proxy over real sockets on loopback: bytes, delay, rate, back-pressure, ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from services.emulator.profile import Profile, constant
from services.emulator.proxy import LinkProxy, SenderSide, parse_address
from services.errors import ConfigError
from tests.integration.test_stream import wait_for

pytestmark = pytest.mark.live


def connect(endpoint: str) -> socket.socket:
    family, address = parse_address(endpoint, option="test")
    assert family == socket.AF_INET
    return socket.create_connection(address, timeout=10)


@contextmanager
def linked(
    profile: Profile, side: SenderSide = SenderSide.CONNECT
) -> Iterator[tuple[LinkProxy, socket.socket, socket.socket]]:
    """A proxy, the socket at the server behind it, and the socket of the client before it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        port = listener.getsockname()[1]
        proxy = LinkProxy("127.0.0.1:0", f"tcp://127.0.0.1:{port}", profile, sender_side=side)
        proxy.start()
        try:
            with connect(proxy.endpoint) as client:
                server, _ = listener.accept()
                with server:
                    server.settimeout(10)
                    yield proxy, server, client
        finally:
            proxy.stop()


def read_all(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = source.recv(65_536)
        if not part:
            break
        data += part
    return data


def test_bytes_pass_both_ways_unchanged_on_a_link_with_delay() -> None:
    """How late they come is held on a manual clock: tests/unit/services/emulator/test_lane.py."""
    with linked(constant(10_000_000, delay_us=50_000)) as (_, server, client):
        server.sendall(b"frame" * 1000)
        assert read_all(client, 5000) == b"frame" * 1000
        client.sendall(b"ack")
        assert read_all(server, 3) == b"ack"


def test_the_rate_is_the_profile_s_whatever_the_sender_pushes() -> None:
    with linked(constant(8_000_000)) as (proxy, server, client):
        stopping = threading.Event()

        def push() -> None:
            with suppress(OSError):
                while not stopping.is_set():
                    server.sendall(b"x" * 20_000)

        thread = threading.Thread(target=push)
        thread.start()
        arrived, first = 0, 0.0
        end = time.monotonic() + 3
        while (now := time.monotonic()) < end:
            part = len(client.recv(65_536))
            if now > end - 2:
                first = first or now
                arrived += part
        # A busy machine delays reading: the bound is loose here, the benchmark's is strict.
        rate = arrived * 8 * 1500 / 1448 / (time.monotonic() - first)
        assert 0.9 * 8e6 < rate < 1.1 * 8e6
        seen = proxy.snapshot()
        assert seen.capacity_bps == pytest.approx(8e6, rel=0.1)
        assert seen.queue_bytes <= 60_000
        assert seen.connections == 1
        stopping.set()
        client.close()
        thread.join()


def test_back_pressure_reaches_the_writer() -> None:
    with linked(constant(100_000)) as (_, server, _client):
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        server.setblocking(False)
        taken = 0
        end = time.monotonic() + 1
        while time.monotonic() < end:
            try:
                taken += server.send(b"x" * 4000)
            except BlockingIOError:
                time.sleep(0.01)
        # Queue, both kernel buffers of the hop (doubled by Linux) and a second of service.
        assert taken < 60_000 + 2 * 2 * 16_384 + 12_500 + 20_000


def test_the_end_of_a_stream_is_passed_on_after_its_bytes() -> None:
    with linked(constant(1_000_000)) as (_, server, client):
        server.sendall(b"x" * 20_000)
        server.shutdown(socket.SHUT_WR)
        assert len(read_all(client, 10**9)) == 20_000
        client.sendall(b"still open")
        assert read_all(server, 10) == b"still open"


def test_the_sender_may_be_the_one_that_connects() -> None:
    with linked(constant(8_000_000), SenderSide.LISTEN) as (proxy, server, client):
        server.sendall(b"ack")
        read_all(client, 3)
        client.sendall(b"x" * 3000)
        read_all(server, 3000)
        # The way up is the one from the sender.
        wait_for(lambda: proxy.snapshot().carried_bytes >= 3000)


def test_nobody_behind_the_proxy_closes_the_client_and_keeps_the_proxy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    proxy = LinkProxy("127.0.0.1:0", f"127.0.0.1:{port}", constant(1_000_000))
    proxy.start()
    try:
        for _ in range(2):
            with connect(proxy.endpoint) as client, suppress(ConnectionResetError):
                assert client.recv(1) == b""
    finally:
        proxy.stop()
        proxy.stop()


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "127.0.0.1:99999", "host:port", ""])
def test_wrong_addresses_are_one_sentence(address: str) -> None:
    with pytest.raises(ConfigError, match="expected host:port") as caught:
        parse_address(address, option="--listen")
    assert "--listen" in str(caught.value)


def test_a_taken_address_is_a_config_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError, match="in use"):
            LinkProxy(f"127.0.0.1:{port}", "127.0.0.1:1", constant(1_000_000))
