# SPDX-License-Identifier: Apache-2.0
"""How our ZeroMQ sockets are set up, and what keeps one from its address.

High-water marks do not bound latency, the credit of the session does; nor do they bound memory, as
they count whole messages and not the parts of one. `connections` does, by counting bytes. There is
no receive mark at all: a connection that breaks while its queue is full aborts the process in
libzmq 4.3.5, with the next heartbeat or when it comes back (docs/decisions/0010-hostile-peers.md).
"""

from __future__ import annotations

import socket as unix

import zmq

from services.errors import ConfigError
from services.wire.endpoint import RECONNECT_MS, CurveClient, CurveServer, Endpoint, wants_ipv6
from services.wire.gatekeeper import ZAP_DOMAIN

_SEND_QUEUE_MESSAGES = 256
_RECEIVE_BUFFER_BYTES = 65_536  # of an end that takes no packets: it gets small messages
_HEARTBEAT_MS = 1000
_HEARTBEAT_TIMEOUT_MS = 12_000  # longer than the session waits (protocol.session.SILENCE_US)
_HANDSHAKE_MS = 5000
_RECONNECT_MAX_MS = 200  # longer, and a link that returns between two attempts goes unused
_UNACKNOWLEDGED_MS = 12_000  # likewise


def set_options(socket: zmq.Socket[bytes], endpoint: Endpoint) -> None:
    """All options of a ROUTER or DEALER; set after bind or connect, they are ignored."""
    socket.linger = 200  # lets a BYE out, and never holds up the end of the process
    socket.sndhwm = _SEND_QUEUE_MESSAGES
    socket.rcvhwm = 0
    socket.maxmsgsize = endpoint.max_message_bytes
    socket.sndbuf = endpoint.send_buffer_bytes
    if not endpoint.takes_packets:
        socket.rcvbuf = _RECEIVE_BUFFER_BYTES
    socket.ipv6 = wants_ipv6(endpoint)
    socket.sndtimeo = socket.rcvtimeo = 1000
    socket.heartbeat_ivl = _HEARTBEAT_MS
    socket.heartbeat_timeout = _HEARTBEAT_TIMEOUT_MS
    socket.heartbeat_ttl = _HEARTBEAT_TIMEOUT_MS
    socket.handshake_ivl = _HANDSHAKE_MS
    socket.tcp_keepalive = 1
    socket.tcp_keepalive_idle = 10
    socket.tcp_keepalive_intvl = 5
    socket.tcp_keepalive_cnt = 3
    socket.tcp_maxrt = _UNACKNOWLEDGED_MS
    if endpoint.bind:
        socket.router_mandatory = 1
        socket.zap_domain = ZAP_DOMAIN.encode()  # also without keys: the gatekeeper is asked
    else:
        socket.immediate = 1  # nothing may queue for a peer that is away
        socket.connect_timeout = endpoint.connect_timeout_ms
        socket.reconnect_ivl = RECONNECT_MS
        socket.reconnect_ivl_max = _RECONNECT_MAX_MS
    match endpoint.keys:
        case CurveServer() as keys:
            socket.curve_server = 1
            socket.curve_publickey, socket.curve_secretkey = keys.public_key, keys.secret_key
            socket.zap_enforce_domain = 1  # without a gatekeeper: nobody, instead of everybody
        case CurveClient() as keys:
            socket.curve_publickey, socket.curve_secretkey = keys.public_key, keys.secret_key
            socket.curve_serverkey = keys.server_key


def refuse_taken_path(url: str) -> None:
    """Binding a second time to an ipc path succeeds and takes all traffic: ask who lives there."""
    path = url.removeprefix("ipc://")
    if path == url or path.startswith("@"):
        return
    with unix.socket(unix.AF_UNIX, unix.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except OSError:
            return  # nobody: the file is absent, or left over from a crash
    raise taken(url)


def taken(url: str) -> ConfigError:
    return ConfigError(
        f"cannot listen on {url}: address already in use; stop who listens there or choose another"
    )
