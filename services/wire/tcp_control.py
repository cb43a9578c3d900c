# SPDX-License-Identifier: Apache-2.0
"""Which congestion control the kernel's TCP uses for one connection (Linux).

libzmq has no option for it, but its monitor tells the descriptor of each new connection.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from services.errors import ConfigError

_ALLOWED = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")


def check_control(name: str) -> None:
    """Raise ConfigError, naming what is allowed, when this process may not choose that control."""
    if not hasattr(socket, "TCP_CONGESTION"):
        raise ConfigError("sender.tcp: this system lets nobody choose; leave it out")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
        except OSError:
            raise ConfigError(f"sender.tcp is {name!r}; this system allows {_allowed()}") from None


def set_control(descriptor: int, name: str) -> None:
    """Set it for a connection that may be gone already; other sockets than TCP are let be."""
    with contextlib.suppress(OSError), copied(descriptor) as connection:
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())


def copied(descriptor: int) -> socket.socket:
    """A socket object of its own for somebody else's descriptor; OSError where that is none."""
    copy = os.dup(descriptor)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise


def _allowed() -> str:
    try:
        return ", ".join(_ALLOWED.read_text(encoding="ascii").split())
    except OSError:
        return "others only"
