# SPDX-License-Identifier: Apache-2.0
"""Addresses of ends, their keys, and which of them may be opened; pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from services.errors import AuthenticationError, ConfigError
from services.measure.events import StreamEvent

CONNECT_TIMEOUT_MS = 1500  # of each attempt to connect
RECONNECT_MS = 50  # before the next; libzmq adds up to as much again
MAX_IPC_PATH_CHARS = 107  # sun_path
MAX_SMALL_MESSAGE_BYTES = 4096  # what a sender lets in
MAX_PACKET_MESSAGE_BYTES = 8 * 1024 * 1024 + 64  # what a receiver must let in


class Gate(Protocol):
    """The allowed keys, looked up for every message; they may change (`wire.allow_list`)."""

    def refresh(self) -> None: ...
    def name_of(self, key: bytes) -> str | None: ...


@runtime_checkable
class WatchedGate(Gate, Protocol):
    """A gate that tells what happens to it: `trouble` is a sentence while it cannot be read."""

    @property
    def trouble(self) -> str: ...
    def recent_events(self) -> tuple[StreamEvent, ...]: ...


@dataclass(frozen=True, slots=True)
class CurveServer:
    """Keys of an end that binds (40-byte Z85). Clients outside `allowed` get nothing."""

    public_key: bytes
    secret_key: bytes = field(repr=False)
    allowed: frozenset[bytes] | Gate


@dataclass(frozen=True, slots=True)
class CurveClient:
    """Keys of an end that connects (40-byte Z85), and the server it insists on."""

    public_key: bytes
    secret_key: bytes = field(repr=False)
    server_key: bytes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and how to use it. Plain TCP beyond loopback needs `insecure`."""

    url: str
    bind: bool
    keys: CurveServer | CurveClient | None = None
    insecure: bool = False
    max_message_bytes: int = MAX_SMALL_MESSAGE_BYTES
    tcp_control: str = ""  # congestion control of each connection; empty: the system's
    max_connections: int = 256
    connect_timeout_ms: int = CONNECT_TIMEOUT_MS
    send_buffer_bytes: int = 262_144  # the rate control bounds what is in it; see docs/link.md, 2.3

    @property
    def takes_packets(self) -> bool:
        """True for an end that takes frames; the others are only told about them."""
        return self.max_message_bytes > MAX_SMALL_MESSAGE_BYTES


def watched_gate(endpoint: Endpoint) -> WatchedGate | None:
    """The list of allowed keys behind an address, where there is one that can be watched."""
    keys = endpoint.keys
    gate = keys.allowed if isinstance(keys, CurveServer) else None
    return gate if isinstance(gate, WatchedGate) else None


def check(endpoint: Endpoint) -> None:
    """Raise ConfigError (address, exposure) or AuthenticationError (keys do not fit the role)."""
    parts = _split(endpoint.url)
    if parts.scheme == "ipc":
        path = endpoint.url.removeprefix("ipc://")
        if not 1 <= len(path) <= MAX_IPC_PATH_CHARS:
            raise ConfigError(
                f"{endpoint.url}: an ipc path has 1 to {MAX_IPC_PATH_CHARS} characters"
            )
    if endpoint.bind and isinstance(endpoint.keys, CurveClient):
        raise AuthenticationError(f"{endpoint.url}: an end that binds needs the keys of a server")
    if not endpoint.bind and isinstance(endpoint.keys, CurveServer):
        raise AuthenticationError(f"{endpoint.url}: an end that connects needs keys of a client")
    exposed = parts.scheme == "tcp" and not _is_loopback(parts.hostname or "")
    if endpoint.bind and exposed and endpoint.keys is None and not endpoint.insecure:
        raise ConfigError(
            f"{endpoint.url} is open to the network without keys: make keys with "
            "`streamcodec keys new`, listen on 127.0.0.1, or allow it with --insecure"
        )


def wants_ipv6(endpoint: Endpoint) -> bool:
    """Names and IPv6 addresses need the option; with it an IPv4 address is shown mapped."""
    try:
        return ipaddress.ip_address(_split(endpoint.url).hostname or "").version == 6
    except ValueError:
        return True


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str
    hostname: str | None


def _split(url: str) -> _Parts:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"{url!r} is not an address; write tcp://HOST:PORT") from None
    if parts.scheme not in ("tcp", "ipc") or (parts.scheme == "tcp" and (not host or port is None)):
        if parts.scheme == "tcp" and parts.netloc.endswith(":*"):
            return _Parts(parts.scheme, host)
        raise ConfigError(f"{url!r} is not an address; write tcp://HOST:PORT or ipc://PATH")
    return _Parts(parts.scheme, host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False  # a name or interface: who knows where it leads
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
