# SPDX-License-Identifier: Apache-2.0
"""The link between two network namespaces: the kernel's own TCP meets the model's losses and queue.

    namespace a (10.79.0.1) -- tun -- NamespaceLink: the model -- tun -- namespace b (10.79.0.2)

Each IP packet is offered to the model and written out again at the time that the model gives; TCP
has to cope with what it drops. Up is from a to b. Needs Linux, the rights to make namespaces and
TUN devices, and `ip`; `missing` tells by trying. This is the reference for the stream proxy.
"""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress

from services.emulator.model import Link, LinkStatistics
from services.emulator.profile import Profile
from services.errors import ConfigError

ADDRESS_A = "10.79.0.1"
ADDRESS_B = "10.79.0.2"

_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_NO_PI = 0x1000  # plain IP packets, no header in front
_POLL_MS = 100


def missing() -> str | None:
    """What this machine lacks for namespaces with TUN devices, as a reason; None: nothing.

    Found out by making them, since versions and capabilities tell too little.
    """
    if not sys.platform.startswith("linux"):
        return "network namespaces need Linux"
    if shutil.which("ip") is None:
        return "the command ip (iproute2) is missing"
    name = f"sctest{os.getpid()}"
    try:
        _ip("netns", "add", name)
    except ConfigError as error:
        return str(error)
    try:
        device = _open_tun(f"{name[-10:]}t")
    except ConfigError as error:
        return str(error)
    else:
        os.close(device)
    finally:
        with suppress(ConfigError):
            _ip("netns", "del", name)
    return None


class NamespaceLink:
    """Two namespaces joined by a profile: `start`, and run what `command` makes in them.

    `congestion_control` names the kernel's for TCP inside them; None leaves the machine's default.

    Raises ConfigError, naming the missing feature and the way out, when it cannot be set up.
    """

    def __init__(
        self, profile: Profile, *, seed: int | None = None, congestion_control: str | None = None
    ) -> None:
        self._congestion_control = congestion_control
        used_seed = profile.seed if seed is None else seed
        self._profile = profile
        self._up: Link[bytes] = Link(profile.up, seed=used_seed, label="up")
        self._down: Link[bytes] = Link(profile.down, seed=used_seed, label="down")
        self._names = (f"sc{os.getpid()}a", f"sc{os.getpid()}b")
        self._devices: list[int] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.late_us: deque[int] = deque(maxlen=10_000)  # how late packets were released
        self.started_us = 0

    def prepare(self) -> None:
        """Make the namespaces, so that commands can run in them; no packet passes yet."""
        reason = missing()
        if reason is not None:
            raise ConfigError(f"namespaces are not possible here ({reason}); use the proxy instead")
        try:
            for name in self._names:
                _ip("netns", "add", name)
            ends = ((ADDRESS_A, ADDRESS_B), (ADDRESS_B, ADDRESS_A))
            for name, (own, peer) in zip(self._names, ends, strict=True):
                self._devices.append(_open_tun(f"{name}t"))
                _ip("link", "set", f"{name}t", "netns", name)
                _ip("-n", name, "addr", "add", own, "peer", peer, "dev", f"{name}t")
                mtu = str(self._profile.up.mtu_bytes)
                _ip("-n", name, "link", "set", f"{name}t", "mtu", mtu, "txqueuelen", "1000", "up")
                _ip("-n", name, "link", "set", "lo", "up")
                if self._congestion_control is not None:
                    setting = "/proc/sys/net/ipv4/tcp_congestion_control"
                    shell = f"echo {self._congestion_control} > {setting}"
                    _ip("netns", "exec", name, "sh", "-c", shell)
        except ConfigError:
            self._remove()
            raise

    def start(self) -> None:
        """Carry packets until `stop`, from time 0 of the profile on; prepares where needed."""
        if not self._devices:
            self.prepare()
        self.started_us = time.monotonic_ns() // 1000
        self._thread = threading.Thread(target=self._carry, name="namespaces", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Remove everything that `start` made."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._remove()

    def command(self, end: str, *words: str) -> list[str]:
        """A command line that runs in namespace "a" or "b"."""
        return ["ip", "netns", "exec", self._names["ab".index(end)], *words]

    @property
    def statistics(self) -> LinkStatistics:
        """Of the way up, so far."""
        return self._up.statistics

    def capacity_bytes(self, start_us: int, end_us: int) -> int:
        """Of the way up; times from `started_us`."""
        return self._up.capacity_bytes(start_us, end_us)

    def longest_gap_us(self, start_us: int, end_us: int) -> int:
        """See `Link.longest_gap_us`."""
        return self._up.longest_gap_us(start_us, end_us)

    def _carry(self) -> None:
        a, b = self._devices
        poll = select.poll()
        poll.register(a, select.POLLIN)
        poll.register(b, select.POLLIN)
        routes = ((a, self._up, b), (b, self._down, a))
        while not self._stopping.is_set():
            now_us = self._now_us()
            due = [moment for _, link, _ in routes if (moment := link.next_us()) is not None]
            wait_ms = max(0.0, (min(due) - now_us) / 1000) if due else _POLL_MS
            poll.poll(min(wait_ms, _POLL_MS))
            for source, link, target in routes:
                now_us = self._now_us()
                # Take packets in before releasing: time must not run backwards for the model.
                for packet in _read_all(source):
                    link.push(now_us, len(packet), packet)
                for at_us, packet in link.pop(now_us):
                    self.late_us.append(now_us - at_us)
                    with suppress(OSError):  # the far end is going down
                        os.write(target, packet)

    def _now_us(self) -> int:
        return time.monotonic_ns() // 1000 - self.started_us

    def _remove(self) -> None:
        while self._devices:
            os.close(self._devices.pop())
        for name in self._names:
            with suppress(ConfigError):
                _ip("netns", "del", name)


def _read_all(device: int) -> list[bytes]:
    packets: list[bytes] = []
    with suppress(BlockingIOError):
        while True:
            packets.append(os.read(device, 65_536))
    return packets


def _open_tun(name: str) -> int:
    try:
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"/dev/net/tun cannot be opened: {error.strerror}") from None
    try:
        fcntl.ioctl(
            device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI)
        )
    except OSError as error:
        os.close(device)
        raise ConfigError(f"a TUN device cannot be made: {error.strerror}") from None
    return device


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"ip {' '.join(words)}: {done.stderr.strip() or 'failed'}")
