# SPDX-License-Identifier: Apache-2.0
"""A port: one ZeroMQ socket with its monitor, keys and accounts of connections.

The end that binds is a ROUTER, the end that connects a DEALER with the one peer b"".
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType

import zmq
from zmq.utils.monitor import recv_monitor_message

from services.errors import ConfigError
from services.process.clock import now_us
from services.process.descriptors import room_for
from services.wire.connections import Connections
from services.wire.endpoint import CurveServer, Endpoint, Gate, check
from services.wire.gatekeeper import Entrance, FixedGate, Gatekeeper
from services.wire.known_peers import KnownPeers
from services.wire.ledger import Allowance, Cut
from services.wire.sockets import refuse_taken_path, set_options, taken
from services.wire.tcp_control import check_control, set_control
from services.wire.wake_up import WakeUp

ANY_PEER = b""  # the one peer of a connecting end
MAX_BATCH = 256  # messages taken per poll, so that timers get their turn under a flood
MAX_LEFT_OUT = 4096  # including those of cut connections, 3 us each
MAX_BATCH_BYTES = 4 * 1024 * 1024  # and where they are large: one message may go beyond
_TRUSTED_SPARE_BYTES = 8 * 1024 * 1024  # beside one packet: what credit lets under way
_REFUSED_RETRY_S = 1.0  # and twice as long each time, up to the next
_REFUSED_RETRY_MAX_S = 8.0
_HANDSHAKE_FAILED = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
_NEW_CONNECTION = zmq.EVENT_CONNECTED | zmq.EVENT_ACCEPTED


class SendResult(Enum):
    """What became of a message handed to the socket."""

    SENT = auto()
    FULL = auto()  # queues are full: the credit should have prevented it
    GONE = auto()  # no such peer, or nobody connected


class ConnectionEvent(Enum):
    """What the monitor saw."""

    CONNECTED = auto()
    DISCONNECTED = auto()
    SPARE_CONNECTED = auto()  # a second connection is ready, see services.wire.spare
    REFUSED = auto()  # keys were not accepted, or the peer speaks something else


@dataclass(frozen=True, slots=True)
class Received:
    """What one poll brought."""

    messages: list[tuple[bytes, bytes]]  # (peer, data) in order of arrival
    events: list[ConnectionEvent]
    malformed: int  # messages of more than one part
    cuts: tuple[str, ...] = ()  # why connections were ended since the last poll


class Port:
    """One socket with its monitor, wake-up and, where it listens, its gatekeeper.

    Everything but `wake` belongs to one thread. `open` and `close` come in pairs; `rebuild` is a
    close and open that keeps the address. Usable as a context manager.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        check(endpoint)
        if endpoint.tcp_control:
            check_control(endpoint.tcp_control)
        self._endpoint = endpoint
        self._url = endpoint.url
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._gatekeeper: Gatekeeper | None = None
        self._entrance: Entrance | None = None
        self._gate: Gate | None = None
        if isinstance(endpoint.keys, CurveServer):
            allowed = endpoint.keys.allowed
            self._gate = FixedGate(allowed) if isinstance(allowed, frozenset) else allowed
        self._retry_s: float | None = None  # when a refused connection is tried again
        self._pause_s = _REFUSED_RETRY_S
        self._peers = KnownPeers(self._gate, listens=endpoint.bind)
        self._is_shaking = False  # hands: the connection of an end that connects
        self._connections = Connections(
            _allowance(endpoint), connects=not endpoint.bind, on_cut=self._has_cut
        )
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        self._poller = zmq.Poller()
        self._wake_up: WakeUp | None = None

    @property
    def url(self) -> str:
        """The address in use; after binding to port 0, with the real port."""
        return self._url

    @property
    def encrypted(self) -> bool:
        """True when CURVE is on."""
        return self._endpoint.keys is not None

    def open(self) -> None:
        """Bind or connect. Raises ConfigError when the address cannot be used."""
        try:
            if self._wake_up is None:
                self._wake_up = WakeUp(self._context)
                self._poller.register(self._wake_up.socket, zmq.POLLIN)
            if self._endpoint.bind and self._gatekeeper is None:
                self._entrance = Entrance(is_full=lambda: self._connections.is_full, wake=self.wake)
                self._gatekeeper = Gatekeeper(self._context, self._gate, self._entrance)
                self._gatekeeper.start()  # before the socket binds
            self._open_socket()
        except BaseException:
            self.close()
            raise

    def rebuild(self) -> None:
        """A fresh socket at the same address: kernel buffers and stale connections are gone."""
        self._retry_s = None
        self._close_socket()
        self._open_socket()

    def poll(self, timeout_ms: int) -> Received:
        """Wait for messages, events or `wake`, then take all there are, up to MAX_BATCH."""
        assert self._socket is not None
        assert self._monitor is not None
        assert self._wake_up is not None
        received = Received([], [], 0)
        self._peers.refresh(now_us())
        if self._retry_s is not None and time.monotonic() >= self._retry_s:
            self.rebuild()  # libzmq gives up for good once it was refused
        ready = dict(self._poller.poll(timeout_ms))
        if self._wake_up.socket in ready:
            self._wake_up.drain()
        self._peers.forget_cut()
        if self._monitor in ready:
            received.events.extend(self._connection_events())
        malformed = 0
        if self._socket in ready:
            malformed = self._take(received.messages)
        else:
            self._connections.drained()
        if self._entrance is not None:
            self._entrance.turned()
        reasons = self._peers.take_cut_reasons()
        return Received(received.messages, received.events, malformed, reasons)

    def send(self, peer: bytes, data: bytes) -> SendResult:
        """Hand one message over without waiting. A peer whose key was revoked is gone."""
        assert self._socket is not None
        if self._gate is not None and self.name_of(peer) is None:
            return SendResult.GONE
        parts = [peer, data] if self._endpoint.bind else [data]
        try:
            self._socket.send_multipart(parts, zmq.DONTWAIT)
        except zmq.Again:
            return SendResult.FULL
        except zmq.ZMQError as error:
            if error.errno == zmq.EHOSTUNREACH:
                return SendResult.GONE
            raise
        return SendResult.SENT

    def trust(self, peer: bytes) -> None:
        """This peer sends us packets; all others may only send small messages."""
        number = self._peers.number_of(peer)
        if number is not None:
            self._connections.trust(number)

    def cut(self, peer: bytes, reason: str, *, bar: bool = False) -> None:
        """End the connection of a peer that breaks the rules; `bar` its key for a while, too."""
        if bar:
            self._peers.bar(peer, now_us())
        number = self._peers.forget(peer)
        if number is not None:
            self._connections.cut(number, reason)

    def name_of(self, peer: bytes) -> str | None:
        """The name of a peer's key; None without keys, and once the key is not allowed any more."""
        return self._peers.name_of(peer)

    def wake(self) -> None:
        """End the current or next `poll` at once; any thread may call this."""
        wake_up = self._wake_up
        if wake_up is not None:
            wake_up.wake()

    def close(self) -> None:
        """Close everything; may be called twice."""
        if self._entrance is not None:
            self._entrance.close()
        self._close_socket()
        if self._wake_up is not None:
            self._wake_up.close()
            self._wake_up = None
        self.stop_gatekeeper()
        self._context.term()

    def stop_gatekeeper(self) -> None:
        """Admit nobody any more; open connections stay."""
        if self._gatekeeper is not None and self._entrance is not None:
            self._entrance.close()
            self._gatekeeper.stop()
            self._gatekeeper = None

    def __enter__(self) -> Port:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- inside --------------------------------------------------------------------------------

    def _open_socket(self) -> None:
        endpoint = self._endpoint
        socket = self._context.socket(zmq.ROUTER if endpoint.bind else zmq.DEALER)
        self._socket = socket
        set_options(socket, endpoint)
        self._monitor = socket.get_monitor_socket(
            # Not HANDSHAKE_FAILED_PROTOCOL: telling it spoils the error number of a message that
            # does not decrypt; libzmq then takes it for a full queue, and so aborts (above).
            zmq.EVENT_HANDSHAKE_SUCCEEDED
            | (0 if endpoint.bind else _HANDSHAKE_FAILED)
            | zmq.EVENT_DISCONNECTED
            | _NEW_CONNECTION
        )
        try:
            if endpoint.bind:
                refuse_taken_path(self._url)
                socket.bind(self._url)
                self._url = socket.getsockopt_string(zmq.LAST_ENDPOINT)
                self._connections.open(_port_of(self._url))
            else:
                self._connections.open(None)
                socket.connect(self._url)
        except zmq.ZMQError as error:
            if error.errno == zmq.EADDRINUSE:
                raise taken(self._url) from None
            verb = "listen on" if endpoint.bind else "connect to"
            raise ConfigError(
                f"cannot {verb} {self._url}: {zmq.strerror(error.errno or 0).lower()}"
            ) from None
        self._poller.register(socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)

    def _close_socket(self) -> None:
        self._connections.close()
        for socket in (self._socket, self._monitor):
            if socket is not None and socket in self._poller:
                self._poller.unregister(socket)
        if self._socket is not None:
            self._socket.disable_monitor()
            self._socket.close()
        if self._monitor is not None:
            self._monitor.close(linger=0)
        self._socket = self._monitor = None

    def _take(self, messages: list[tuple[bytes, bytes]]) -> int:
        malformed = heard = taken_bytes = 0
        for _ in range(MAX_LEFT_OUT):
            if heard == MAX_BATCH or taken_bytes > MAX_BATCH_BYTES:
                break
            try:
                message = self._receive()
            except zmq.Again:
                self._connections.drained()
                break
            if message is None:
                continue
            heard += 1
            peer, data = message
            if data is None:
                malformed += 1
                continue
            taken_bytes += len(data)
            messages.append((peer, data))
        return malformed

    def _receive(self) -> tuple[bytes, bytes | None] | None:
        """Peer and data of one message, data None where it has several parts; None when it comes
        from a key that is not allowed any more, or over a connection that was cut."""
        assert self._socket is not None
        peer = self._socket.recv(zmq.DONTWAIT) if self._endpoint.bind else ANY_PEER
        if self._peers.is_gone(peer):
            self._socket.recv_multipart(zmq.DONTWAIT)
            return None
        frames = self._socket.recv_multipart(zmq.DONTWAIT, copy=False)
        last = frames[-1]
        try:
            number = int(last.get(zmq.SRCFD))
        except zmq.ZMQError:
            number = -1  # a transport without descriptors
        self._connections.delivered(number, len(peer) + sum(len(frame) for frame in frames))
        if self._peers.was_cut(number):
            return None  # only this message: the number may be a newcomer's, whose event is to come
        self._peers.speaks(peer, number)
        data = last.bytes if len(frames) == 1 else None
        if self._gate is None:
            return peer, data
        try:
            key = str(last.get("User-Id")).encode()
        except zmq.ZMQError:
            key = b""
        self._peers.has_key(peer, key)  # that of this very connection
        if self._peers.is_barred(peer, now_us()):
            self.cut(peer, "its key is barred for a flood")
            return None
        return None if self.name_of(peer) is None else (peer, data)

    def _has_cut(self, cut: Cut) -> None:
        """From the watch's thread as well."""
        self._peers.has_cut(cut)
        if self._entrance is not None:
            self._entrance.has_cut()

    def _connection_events(self) -> list[ConnectionEvent]:
        assert self._monitor is not None
        events = []
        while self._monitor.poll(0):
            message = recv_monitor_message(self._monitor)
            kind = message["event"]
            if kind & _NEW_CONNECTION:
                number = int(message["value"])
                if self._endpoint.tcp_control:
                    set_control(number, self._endpoint.tcp_control)
                self._peers.connected(number)
                self._connections.accepted(number)
                self._is_shaking = True
            elif kind == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._is_shaking = False
                events.append(ConnectionEvent.CONNECTED)
                self._pause_s = _REFUSED_RETRY_S
            elif kind == zmq.EVENT_DISCONNECTED:
                spoke = self._connections.closed(int(message["value"]))
                events.append(ConnectionEvent.DISCONNECTED)
                if not spoke if self._endpoint.bind else self._is_shaking:
                    self._refused(events)
            else:
                self._refused(events)
        return events

    def _refused(self, events: list[ConnectionEvent]) -> None:
        """A connection ended in its handshake."""
        self._is_shaking = False
        events.append(ConnectionEvent.REFUSED)
        if not self._endpoint.bind and self._retry_s is None:
            self._retry_s = time.monotonic() + self._pause_s
            self._pause_s = min(_REFUSED_RETRY_MAX_S, 2 * self._pause_s)


def _allowance(endpoint: Endpoint) -> Allowance:
    """How much may wait at an end from each connection."""
    connections = room_for(endpoint.max_connections)
    if not endpoint.takes_packets:
        return Allowance(connections=connections)
    packet_bytes = endpoint.max_message_bytes + _TRUSTED_SPARE_BYTES
    return Allowance(trusted_waiting_bytes=packet_bytes, connections=connections)


def _port_of(url: str) -> int | None:
    """Where a bound address listens; None for one that is no TCP."""
    return int(url.rpartition(":")[2]) if url.startswith("tcp://") else None
