# SPDX-License-Identifier: Apache-2.0
"""One connection through the proxy: two sockets, a pipe each way, a lane of the link between."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress

from services.emulator.lane import CHUNK_BYTES, Lane

_RECEIVE_BUFFER_BYTES = 16_384
_SEND_BUFFER_BYTES = 16_384
_UNWRITTEN_BYTES = 65_536  # a receiver that does not read stops its connection here


class ProxiedConnection:
    """The two halves of one proxied connection."""

    def __init__(
        self,
        client: socket.socket,
        server: socket.socket,
        lanes: tuple[Lane, Lane],  # from the client, from the server
        selector: selectors.BaseSelector,
        forget: Callable[[ProxiedConnection], None],
    ) -> None:
        self._sockets = (client, server)
        self._selector = selector
        self._forget = forget
        self._connected = False
        self._pipes = (Pipe(client, server, lanes[0]), Pipe(server, client, lanes[1]))
        self._interest = [0, selectors.EVENT_WRITE]
        selector.register(server, selectors.EVENT_WRITE, self._on_server)

    def follow(self, now_us: int) -> None:
        """Register for the events that can be handled now."""
        if not self._connected:
            return
        from_client, from_server = self._pipes
        try:
            for pipe in self._pipes:
                pipe.finish()
        except OSError:
            self.close()
            return
        if from_client.finished and from_server.finished:
            self.close()
            return
        self._watch(0, from_client.wants_reading(now_us), from_server.wants_writing)
        self._watch(1, from_server.wants_reading(now_us), from_client.wants_writing)

    def close(self) -> None:
        """Close both halves; bytes on the way are gone."""
        for index, one in enumerate(self._sockets):
            if self._interest[index]:
                self._selector.unregister(one)
                self._interest[index] = 0
            one.close()
        self._forget(self)

    def _watch(self, index: int, read: bool, write: bool) -> None:
        mask = selectors.EVENT_READ * read | selectors.EVENT_WRITE * write
        one = self._sockets[index]
        action = self._on_server if index else self._on_client
        if mask == self._interest[index]:
            return
        if not mask:
            self._selector.unregister(one)
        elif self._interest[index]:
            self._selector.modify(one, mask, action)
        else:
            self._selector.register(one, mask, action)
        self._interest[index] = mask

    def _on_client(self, now_us: int, mask: int) -> None:
        self._serve(now_us, mask, reading=self._pipes[0], writing=self._pipes[1])

    def _on_server(self, now_us: int, mask: int) -> None:
        if not self._connected:
            error = self._sockets[1].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self.close()  # nothing listens there yet: the client will try again
                return
            self._connected = True
        self._serve(now_us, mask, reading=self._pipes[1], writing=self._pipes[0])

    def _serve(self, now_us: int, mask: int, *, reading: Pipe, writing: Pipe) -> None:
        try:
            if mask & selectors.EVENT_READ:
                reading.read(now_us)
            if mask & selectors.EVENT_WRITE:
                writing.write()
        except OSError:
            self.close()


class Pipe:
    """One direction of one connection."""

    def __init__(self, source: socket.socket, sink: socket.socket, lane: Lane) -> None:
        self._source = source
        self._sink = sink
        self._lane = lane
        self._unwritten = bytearray()
        self._under_way = 0  # chunks in the lane
        self._ended = False
        self.finished = False

    @property
    def wants_writing(self) -> bool:
        return bool(self._unwritten)

    def wants_reading(self, now_us: int) -> bool:
        """False at the end, while the link's queue is full, and while the sink does not read."""
        open_ = not self._ended and len(self._unwritten) < _UNWRITTEN_BYTES
        return open_ and self._lane.has_room(now_us)

    def read(self, now_us: int) -> None:
        """Move available bytes into the lane, while it has room."""
        while self._lane.has_room(now_us):
            try:
                data = self._source.recv(CHUNK_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._ended = True
                return
            self._lane.push(now_us, self, data)
            self._under_way += 1

    def release(self, data: bytes) -> None:
        """A chunk is through the link: pass it on."""
        self._under_way -= 1
        self._unwritten += data
        with suppress(OSError):  # a closed sink: its own event tells
            self.write()

    def write(self) -> None:
        """Write what the sink takes."""
        with suppress(BlockingIOError):
            while self._unwritten:
                sent = self._sink.send(self._unwritten)
                del self._unwritten[:sent]

    def finish(self) -> None:
        """Pass the end of the stream on once all its bytes are through."""
        if self._ended and not self._under_way and not self._unwritten and not self.finished:
            self.finished = True
            with suppress(OSError):
                self._sink.shutdown(socket.SHUT_WR)


def keep_small(one: socket.socket) -> None:
    """Bound what the kernel holds for this socket; before it listens or connects."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError, AttributeError):
        # Loopback segments of 64 kB do not fit these buffers and would stall on window updates.
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, CHUNK_BYTES)
