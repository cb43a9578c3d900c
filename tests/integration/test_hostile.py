# SPDX-License-Identifier: Apache-2.0
"""Whoever connects can neither fill memory nor take all descriptors nor be heard for ever."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import zmq

from services.errors import PeerLost
from services.measure.stats import SenderSnapshot
from services.receiver.daemon import ReceiverConfig, ReceiverDaemon
from services.view import doors
from services.view.access import Listen
from services.view.metrics import MetricsServer
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES, CurveClient, CurveServer, Endpoint
from services.wire.transport import ANY_PEER, MAX_BATCH, ConnectionEvent, Port, SendResult
from tests.attackers import CurvePeer, RawPeer, curve_is_possible
from tests.fakes import FakeCodec, FakeSink
from tests.integration.test_stream import make_receiver, make_sender, running, wait_for

pytestmark = pytest.mark.live

ANY_PORT = "tcp://127.0.0.1:0"
FLOOD_BYTES = 400_000_000  # an attack that is let go on ends here
BOUND_BYTES = 100_000_000  # and one that is cut well before

needs_curve = pytest.mark.skipif(not curve_is_possible(), reason="no libsodium to attack with")


class Served:
    """A port that is polled by a thread of its own; `cuts` says why connections were ended."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.port = Port(endpoint)
        self.port.open()
        self.messages: list[tuple[bytes, bytes]] = []
        self.cuts: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            received = self.port.poll(20)
            self.messages += received.messages
            self.cuts += received.cuts

    def close(self) -> None:
        self._stopping.set()
        self.port.wake()
        self._thread.join()
        self.port.close()


@contextmanager
def served(endpoint: Endpoint) -> Iterator[Served]:
    one = Served(endpoint)
    try:
        yield one
    finally:
        one.close()


@pytest.mark.parametrize("size", [0, 4000])
def test_a_message_without_end_is_cut_and_the_others_are_not(size: int) -> None:
    with (
        served(Endpoint(ANY_PORT, bind=True)) as victim,
        Port(Endpoint(victim.port.url, bind=False)) as honest,
    ):
        wait_for(lambda: honest.send(ANY_PEER, b"one") is SendResult.SENT)
        attacker = RawPeer(victim.port.url)
        sent = attacker.endless(size, FLOOD_BYTES)
        attacker.close()
        wait_for(lambda: bool(victim.cuts))
        assert sent < BOUND_BYTES
        assert "bytes of incomplete messages" in victim.cuts[0]
        assert honest.send(ANY_PEER, b"two") is SendResult.SENT  # over the same connection
        wait_for(lambda: [data for _, data in victim.messages] == [b"one", b"two"])


def test_who_was_cut_cannot_come_back_to_leave_as_much_again_and_again() -> None:
    with Port(Endpoint(ANY_PORT, bind=True)) as port:
        cuts: list[str] = []
        flood = RawPeer(port.url)
        wait_for(lambda: ConnectionEvent.CONNECTED in port.poll(10).events)
        whole = flood.part(b"x" * 20, more=False) * 50_000
        for _ in range(3):  # more than the kernel's buffers take
            with contextlib.suppress(OSError):
                flood.send_raw(whole)
        time.sleep(1.0)  # the port hands nothing over meanwhile
        with pytest.raises(OSError):  # noqa: PT011  (hung up on, or not answered in time)
            RawPeer(port.url)  # is not let in while that lies there
        first = port.poll(10)
        cuts += first.cuts
        wait_for(lambda: cuts.extend(port.poll(0).cuts) or len(cuts) >= 1)
        assert "bytes of incomplete messages" in cuts[0]
        heard = len(first.messages)
        while received := port.poll(0).messages:
            heard += len(received)
        assert heard <= 2 * MAX_BATCH  # nobody listens to the rest
        with Port(Endpoint(port.url, bind=False)) as honest:
            # As a receiver says HELLO: again and again, since a newcomer may be sent away at first.
            said: list[bytes] = []

            def is_heard() -> bool:
                honest.poll(0)
                honest.send(ANY_PEER, b"one")
                said.extend(data for _, data in port.poll(10).messages)
                return b"one" in said

            wait_for(is_heard)
        flood.close()


@needs_curve
def test_a_key_does_not_let_its_owner_fill_memory() -> None:
    server, viewer = zmq.curve_keypair(), zmq.curve_keypair()
    keys = CurveServer(*server, allowed=frozenset({viewer[0]}))
    with served(Endpoint(ANY_PORT, bind=True, keys=keys)) as victim:
        client = CurveClient(*viewer, server_key=server[0])
        with Port(Endpoint(victim.port.url, bind=False, keys=client)) as honest:
            wait_for(lambda: honest.send(ANY_PEER, b"one") is SendResult.SENT)
            attacker = CurvePeer(
                victim.port.url, public=viewer[0], secret=viewer[1], server=server[0]
            )
            attacker.send_part(b"hello", more=False)
            wait_for(lambda: b"hello" in [data for _, data in victim.messages])
            sent = attacker.endless(4000, FLOOD_BYTES)
            attacker.close()
            wait_for(lambda: bool(victim.cuts))
            assert sent < BOUND_BYTES
            assert honest.send(ANY_PEER, b"two") is SendResult.SENT


def test_a_stranger_at_an_end_that_takes_packets_may_not_say_as_much_as_a_sender() -> None:
    endpoint = Endpoint(ANY_PORT, bind=True, max_message_bytes=MAX_PACKET_MESSAGE_BYTES)
    with served(endpoint) as victim:
        stranger, sender = RawPeer(victim.port.url), RawPeer(victim.port.url)
        sender.send_part(b"welcome", more=False)
        wait_for(lambda: bool(victim.messages))
        victim.port.trust(victim.messages[0][0])
        packet = bytes(4_000_000)
        sender.send_part(packet, more=False)
        wait_for(lambda: len(victim.messages) == 2)
        assert victim.messages[1][1] == packet
        with contextlib.suppress(OSError):
            stranger.send_part(packet[:-1], more=True)  # the rest never comes
        wait_for(lambda: bool(victim.cuts))
        sender.send_part(b"still here", more=False)
        wait_for(lambda: len(victim.messages) == 3)
        stranger.close()
        sender.close()


def test_a_hostile_sender_makes_a_receiver_hold_no_more_than_it_states() -> None:
    listener = Served(Endpoint(ANY_PORT, bind=True))  # plays the sender
    try:
        codec = FakeCodec()
        receiver = ReceiverDaemon(
            ReceiverConfig(
                Endpoint(listener.port.url, bind=False, max_message_bytes=MAX_PACKET_MESSAGE_BYTES)
            ),
            codec=codec,
        )
        with running(receiver):
            wait_for(lambda: bool(listener.messages))
            peer = listener.messages[0][0]
            refused = sum(
                listener.port.send(peer, bytes(2_000_000)) is not SendResult.SENT for _ in range(20)
            )
            assert refused <= 20
            wait_for(lambda: receiver.snapshot().hostile_messages > 0)
    finally:
        listener.close()


FLOODED = """
import socket, struct, time
from services.wire.transport import Port
from services.wire.endpoint import Endpoint
from tests.attackers import RawPeer
with Port(Endpoint("tcp://127.0.0.1:0", bind=True)) as port:
    peer = RawPeer(port.url)
    part = peer.part(b"x", more=False)
    peer.socket.settimeout(0.5)
    try:
        peer.send_raw(part * 20_000)
    except TimeoutError:
        pass
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    end = time.monotonic() + 2.5  # two heartbeats
    while time.monotonic() < end:
        time.sleep(0.1)
    while port.poll(10).messages:
        pass
"""


REPLAYED = """
import socket, struct, time, zmq
from services.wire.transport import Port
from services.wire.endpoint import CurveServer, Endpoint
from tests.attackers import CurvePeer
server, viewer = zmq.curve_keypair(), zmq.curve_keypair()
keys = CurveServer(*server, allowed=frozenset({viewer[0]}))
with Port(Endpoint("tcp://127.0.0.1:0", bind=True, keys=keys)) as port:
    for _ in range(3):
        peer = CurvePeer(port.url, public=viewer[0], secret=viewer[1], server=server[0])
        part = peer.part(b"x", more=False)
        peer.send_raw(part + part)  # the second does not decrypt: its nonce was used
        time.sleep(0.3)
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
    end = time.monotonic() + 2.5  # two heartbeats
    while time.monotonic() < end:
        port.poll(100)
"""


@needs_curve
def test_who_repeats_a_message_and_hangs_up_does_not_end_the_process() -> None:
    """libzmq takes an error that a monitor spoilt for a full queue, and aborts likewise."""
    done = subprocess.run([sys.executable, "-c", REPLAYED], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_who_floods_and_hangs_up_does_not_end_the_process() -> None:
    """libzmq aborts when a connection breaks while its queue is full, so none ever is."""
    done = subprocess.run([sys.executable, "-c", FLOODED], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_there_are_never_more_connections_than_the_limit() -> None:
    with served(Endpoint(ANY_PORT, bind=True, max_connections=20)) as victim:
        parts = urlsplit(victim.port.url)
        with Port(Endpoint(victim.port.url, bind=False)) as honest, contextlib.ExitStack() as mute:
            wait_for(lambda: honest.send(ANY_PEER, b"here") is SendResult.SENT)
            wait_for(lambda: bool(victim.messages))
            for _ in range(60):
                raw = mute.enter_context(socket.socket())
                raw.connect((parts.hostname, parts.port))
            wait_for(lambda: len(victim.cuts) >= 41)
            assert set(victim.cuts) == {"too many connections"}
            assert honest.send(ANY_PEER, b"still") is SendResult.SENT
            wait_for(lambda: len(victim.messages) == 2)


def test_a_flood_of_messages_ends_its_connection_and_disturbs_nobody() -> None:
    sink = FakeSink()
    with running(sender := make_sender()), running(make_receiver(sender.url, sink)):
        wait_for(lambda: len(sink.frames) >= 3)
        attacker = RawPeer(sender.url)
        part = attacker.part(b"no message of ours", more=False)
        with contextlib.suppress(OSError):
            for _ in range(10_000):
                attacker.send_raw(part * 100)
        attacker.close()
        wait_for(lambda: any(e.name == "connection_cut" for e in sender.events()))
        shown = len(sink.frames)
        wait_for(lambda: len(sink.frames) >= shown + 10)
        assert [viewer.name for viewer in sender.snapshot().viewers] == ["receiver"]


def test_a_full_sender_says_so() -> None:
    listener = Served(Endpoint(ANY_PORT, bind=True))
    try:
        config = ReceiverConfig(Endpoint(listener.port.url, bind=False), patience_s=0.5)
        receiver = ReceiverDaemon(config, codec=FakeCodec())
        stopping = threading.Event()

        def answer() -> None:
            from services.protocol import messages as m  # noqa: PLC0415
            from services.protocol.packing import pack  # noqa: PLC0415

            while not stopping.wait(0.02):
                for peer, _ in listener.messages[-3:]:
                    listener.port.send(peer, pack(m.Bye(m.ByeCode.BUSY, "64 are here")))

        answering = threading.Thread(target=answer)
        answering.start()
        try:
            with pytest.raises(PeerLost, match="is full: 64 are here"):
                receiver.run(20.0)
        finally:
            stopping.set()
            answering.join()
    finally:
        listener.close()


# -- HTTP --------------------------------------------------------------------------------------


@contextmanager
def metrics(host: str = "127.0.0.1") -> Iterator[MetricsServer]:
    with running(sender := make_sender()):
        snapshot: Callable[[], SenderSnapshot] = sender.snapshot
        server = MetricsServer(Listen(host, 0), snapshot)
        try:
            yield server
        finally:
            server.close()


def asked(server: MetricsServer, head: str) -> str:
    """The status line of the answer to a request; "" where the connection was ended instead."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), 5.0) as one:
        one.sendall(head.encode())
        try:
            return one.recv(4096).decode().partition("\r\n")[0]
        except ConnectionError:
            return ""


def _hung_up(slow: socket.socket) -> bool:
    """Say one more header; True once nobody is there any more."""
    try:
        slow.sendall(b"X: y\r\n")
        time.sleep(0.02)
    except OSError:
        return True
    return False


OK = "HTTP/1.1 200 OK"
GET = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"


def test_idle_connections_make_room_for_who_asks() -> None:
    with metrics() as server, contextlib.ExitStack() as mute:
        parts = urlsplit(server.url)
        for _ in range(3 * doors.MAX_CONNECTIONS):
            raw = mute.enter_context(socket.create_connection((parts.hostname, parts.port), 5.0))
            raw.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")
        for _ in range(20):
            assert asked(server, GET + "\r\n") == OK


def test_a_request_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "REQUEST_S", 0.2)
    monkeypatch.setattr(doors, "_SWEEP_S", 0.05)
    with metrics() as server:
        parts = urlsplit(server.url)
        with socket.create_connection((parts.hostname, parts.port), 5.0) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\n")
            wait_for(lambda: _hung_up(slow))
        assert asked(server, GET + "\r\n") == OK


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("", "200"),
        ("Sec-Fetch-Site: same-origin\r\n", "200"),
        ("Sec-Fetch-Site: cross-site\r\n", "403"),
        ("Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate\r\n", "403"),
    ],
)
def test_metrics_are_not_for_other_sites(headers: str, status: str) -> None:
    with metrics() as server:
        assert asked(server, GET + headers + "\r\n").split()[1] == status


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:9", "200"), ("localhost", "200"), ("[::1]", "200"), ("evil.example", "403")],
)
def test_metrics_on_loopback_answer_to_their_own_address_only(host: str, status: str) -> None:
    with metrics() as server:
        head = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        assert asked(server, head).split()[1] == status
