# SPDX-License-Identifier: Apache-2.0
"""A connection that dies without a word, as behind a link that loses everything for a while."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.fakes import FakeSink
from tests.integration.test_stream import make_receiver, make_sender, running, wait_for_frames

pytestmark = pytest.mark.live


class Crossing:
    """Passes TCP on to a sender; `fall_silent` swallows what the connections of now carry."""

    def __init__(self, to_url: str) -> None:
        parts = urlsplit(to_url)
        assert parts.hostname is not None
        self._to = parts.hostname, parts.port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._silent: set[socket.socket] = set()
        self._all: list[socket.socket] = []
        self.accepted = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def fall_silent(self) -> None:
        self._silent |= set(self._pairs)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        for one in (self._server, *self._all):
            one.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            ready, _, _ = select.select([self._server, *self._pairs], [], [], 0.05)
            for one in ready:
                if one is self._server:
                    self._accept()
                elif one in self._pairs:
                    self._pass_on(one)

    def _accept(self) -> None:
        near, _ = self._server.accept()
        far = socket.create_connection(self._to)  # type: ignore[arg-type]
        self._pairs |= {near: far, far: near}
        self._all += (near, far)
        self.accepted += 1

    def _pass_on(self, one: socket.socket) -> None:
        other = self._pairs[one]
        try:
            data = one.recv(65_536)
            if one not in self._silent:
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            for end in (one, other):
                self._pairs.pop(end, None)
                if one not in self._silent:
                    end.close()


@pytest.fixture
def silence() -> Iterator[list[Crossing]]:
    crossings: list[Crossing] = []
    yield crossings
    for crossing in crossings:
        crossing.stop()


def test_a_connection_that_died_without_a_word_is_replaced_long_before_ten_seconds(
    silence: list[Crossing],
) -> None:
    sink = FakeSink()
    with running(sender := make_sender()):
        silence.append(crossing := Crossing(sender.url))
        receiver = make_receiver(crossing.url, sink)
        with running(receiver):
            wait_for_frames(sink, 5)
            crossing.fall_silent()
            count = len(sink.frames)
            wait_for_frames(sink, count + 10, seconds=6.0)
            assert crossing.accepted == 2
            assert receiver.snapshot().reconnects == 1
            assert receiver.snapshot().keyframe_requests == 0
    assert sender.snapshot().hostile_messages == 0
