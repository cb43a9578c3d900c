# SPDX-License-Identifier: Apache-2.0
"""Real TCP of the kernel across the model: its rate, its delay, and the comparison with tbf."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from services.emulator.namespaces import ADDRESS_B, NamespaceLink, missing
from services.emulator.profile import Profile, constant

pytestmark = pytest.mark.soak  # some seconds each, and rights that only root has

_SERVER = """
import socket, sys, time
with socket.create_server(("0.0.0.0", 5000)) as listener:
    print("ready", flush=True)
    one, _ = listener.accept()
    seconds, warm = float(sys.argv[1]), 1.0
    start = time.monotonic(); total = 0
    while (now := time.monotonic()) < start + warm + seconds:
        part = one.recv(65536)
        total += len(part) if now > start + warm else 0
    print(total * 8 / seconds)
"""
_CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], 5000)) as one:
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    try:
        while True: one.sendall(b"x" * 65536)
    except OSError: pass
"""


@pytest.fixture(autouse=True)
def _permitted() -> None:
    reason = missing()
    if reason is not None:
        pytest.skip(f"no namespaces with TUN devices here: {reason}")


@pytest.fixture
def profile() -> Profile:
    return constant(4_000_000)


@pytest.fixture
def link(profile: Profile) -> Iterator[NamespaceLink]:
    made = NamespaceLink(profile)
    made.start()
    yield made
    made.stop()


def goodput_bps(link: NamespaceLink, seconds: float = 4.0) -> float:
    return transfer(
        link.command("b", sys.executable, "-c", _SERVER, str(seconds)),
        link.command("a", sys.executable, "-c", _CLIENT, ADDRESS_B),
    )


def transfer(server_command: list[str], client_command: list[str]) -> float:
    with subprocess.Popen(server_command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        with subprocess.Popen(client_command) as client:
            rate = float(server.stdout.readline())
            client.kill()
    return rate


def test_kernel_tcp_gets_the_rate_of_the_profile(link: NamespaceLink) -> None:
    assert goodput_bps(link) == pytest.approx(4e6 * 1448 / 1500, rel=0.02)
    late = sorted(link.late_us)
    assert late[int(0.95 * len(late))] < 10_000  # 1 ms on a quiet machine


def test_what_the_model_drops_is_gone_and_tcp_copes(profile: Profile) -> None:
    thin = replace(
        profile, up=replace(profile.up, queue=replace(profile.up.queue, limit_bytes=6000))
    )
    link = NamespaceLink(thin)
    link.start()
    try:
        assert goodput_bps(link) > 1e6
        assert link.statistics.dropped > 5
    finally:
        link.stop()


def test_the_same_transfer_through_tbf_gets_the_same(link: NamespaceLink) -> None:
    ours = goodput_bps(link)
    server, client = "sctbfa", "sctbfb"
    setup = [
        f"netns add {server}",
        f"netns add {client}",
        f"link add scv0 netns {client} type veth peer name scv1 netns {server}",
        f"-n {client} addr add 10.78.0.1/30 dev scv0",
        f"-n {server} addr add 10.78.0.2/30 dev scv1",
        f"-n {client} link set scv0 up",
        f"-n {server} link set scv1 up",
    ]
    limit = "rate 4mbit burst 4kb limit 60kb"
    try:
        for line in setup:
            subprocess.run(["ip", *line.split()], check=True, capture_output=True)
        shape = f"ip netns exec {client} tc qdisc add dev scv0 root tbf {limit}"
        shaped = subprocess.run(shape.split(), check=False, capture_output=True)
        if shaped.returncode:
            pytest.skip("the kernel has no tbf")
        # Whole packets, as over the TUN devices: no offloads that make tbf cut them.
        offloads = f"ip netns exec {client} ethtool -K scv0 tso off gso off"
        subprocess.run(offloads.split(), check=False, capture_output=True)
        exec_in = ["ip", "netns", "exec"]
        theirs = transfer(
            [*exec_in, server, sys.executable, "-c", _SERVER, "4"],
            [*exec_in, client, sys.executable, "-c", _CLIENT, "10.78.0.2"],
        )
    finally:
        for name in (server, client):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    # tbf charges the 14 bytes of Ethernet, the model IP packets.
    assert theirs * 1514 / 1500 == pytest.approx(ours, rel=0.02)
