# SPDX-License-Identifier: Apache-2.0
"""The kernel's congestion control can be chosen; a wrong choice is told before anything runs."""

from __future__ import annotations

import os
import socket

import pytest

from services.errors import ConfigError
from services.wire.tcp_control import check_control, set_control

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "TCP_CONGESTION"), reason="this system lets nobody choose"
)


def control_of(connection: socket.socket) -> str:
    """The name of a connection's control."""
    raw = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    return raw.rstrip(b"\0").decode("ascii")


def test_reno_is_always_allowed_and_takes_effect() -> None:
    check_control("reno")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        set_control(connection.fileno(), "reno")
        assert control_of(connection) == "reno"


def test_an_unknown_one_is_refused_with_those_allowed() -> None:
    with pytest.raises(ConfigError, match=r"sender\.tcp is 'nonsense'; this system allows .*reno"):
        check_control("nonsense")


def test_a_descriptor_that_is_gone_or_no_tcp_is_let_be() -> None:
    reading, writing = os.pipe()
    set_control(reading, "reno")
    os.close(reading)
    os.close(writing)
    set_control(writing, "reno")
    one, other = socket.socketpair()
    set_control(one.fileno(), "reno")
    one.close()
    other.close()
