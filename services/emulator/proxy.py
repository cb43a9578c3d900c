# SPDX-License-Identifier: Apache-2.0
"""The link emulator as a TCP proxy: put it between a sender and its receivers, no rights needed.

    sender <== connect == LinkProxy == listen ==> receivers      (up: towards the receivers)

All connections share one bottleneck. The proxy keeps the kernel's buffers small on both hops, or
they would hide an endless queue behind the link. Mind that a TCP proxy cannot lose bytes: loss
shows as delay, a full queue as back-pressure (see lane.py). TCP's own control loop ends at the
proxy; the reference with real TCP across the link is services/emulator/namespaces.py.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from services.emulator.lane import Lane
from services.emulator.profile import Profile
from services.emulator.proxied import Pipe, ProxiedConnection, keep_small
from services.errors import ConfigError
from services.process.clock import now_us

log = logging.getLogger(__name__)

PROXY_NOTICE = "a TCP proxy cannot lose bytes: loss shows as delay, a full queue as back-pressure"

_PUBLISH_US = 100_000
_Clock: TypeAlias = Callable[[], int]


class SenderSide(Enum):
    """At which side of the proxy the sender of frames sits: it decides which way is up."""

    CONNECT = "connect"  # the sender binds, and the proxy connects to it
    LISTEN = "listen"  # the sender connects to the proxy


@dataclass(frozen=True, slots=True)
class LinkSnapshot:
    """The link over the last tenth of a second; rates of the way up, headers included."""

    capacity_bps: int
    used_bps: int
    queue_bytes: int
    delay_us: int  # what a byte entering now would take
    connections: int
    carried_bytes: int
    repaired_chunks: int  # "lost" and therefore late


class LinkProxy:
    """A link in real time. Addresses are `host:port` or `tcp://host:port`; port 0 picks a free one.

    `start` and `stop` run it in a thread of its own, `run` in the calling one. Raises ConfigError
    when an address is wrong or in use.
    """

    def __init__(
        self,
        listen: str,
        connect: str,
        profile: Profile,
        *,
        seed: int | None = None,
        sender_side: SenderSide = SenderSide.CONNECT,
        clock_us: _Clock | None = None,
    ) -> None:
        self.profile = profile
        self._target = parse_address(connect, option="--connect")
        self._sender_side = sender_side
        self._clock_us = clock_us or now_us
        used_seed = profile.seed if seed is None else seed
        rtt_us = profile.base_rtt_us
        self._up = Lane(profile.up, seed=used_seed, label="up", base_rtt_us=rtt_us)
        self._down = Lane(profile.down, seed=used_seed, label="down", base_rtt_us=rtt_us)
        self._listener = _listen(parse_address(listen, option="--listen"))
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._pairs: set[ProxiedConnection] = set()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._started_us = 0
        self._published = (0, 0)  # time, bytes carried up by then
        self._snapshot = LinkSnapshot(0, 0, 0, profile.up.delay_us, 0, 0, 0)

    @property
    def endpoint(self) -> str:
        """Where to connect, as `tcp://host:port`."""
        host, port = self._listener.getsockname()[:2]
        return f"tcp://{host}:{port}"

    @property
    def started_us(self) -> int:
        """When the link's own time began, on the proxy's clock; 0 before."""
        return self._started_us

    def capacity_bytes(self, start_us: int, end_us: int) -> int:
        """What the way up could carry in a span of the link's own time."""
        return self._up.capacity_bytes(start_us, end_us)

    def longest_gap_us(self, start_us: int, end_us: int) -> int:
        """See `Lane.longest_gap_us`."""
        return self._up.longest_gap_us(start_us, end_us)

    def start(self) -> None:
        """Run in a thread until `stop`."""
        self._thread = threading.Thread(target=self.run, name="link", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close everything; may be called more than once."""
        self._stopping.set()
        with suppress(OSError):
            self._wake_out.send(b"x")
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        else:
            self._close()

    def snapshot(self) -> LinkSnapshot:
        """The newest state, at most a tenth of a second old; any thread may ask."""
        return self._snapshot

    def run(self, until_s: float | None = None) -> None:
        """Carry bytes until `stop`, or for so many seconds."""
        self._started_us = self._clock_us()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wake_in, selectors.EVENT_READ, lambda _now, _mask: None)
        try:
            while not self._stopping.is_set():
                now_us = self._now_us()
                if until_s is not None and now_us >= until_s * 1e6:
                    break
                self._turn(now_us, until_s)
        finally:
            self._close()

    def _turn(self, now_us: int, until_s: float | None) -> None:
        moments = [self._published[0] + _PUBLISH_US, self._up.next_us(), self._down.next_us()]
        if until_s is not None:
            moments.append(int(until_s * 1e6))
        wait_us = min(moment for moment in moments if moment is not None) - now_us
        for key, mask in self._selector.select(max(0, wait_us) / 1e6):
            key.data(self._now_us(), mask)
        now_us = self._now_us()
        for lane in (self._up, self._down):
            for chunk in lane.pop(now_us):
                if isinstance(chunk.stream, Pipe):
                    chunk.stream.release(chunk.data)
        for pair in list(self._pairs):
            pair.follow(now_us)
        if now_us - self._published[0] >= _PUBLISH_US:
            self._publish(now_us)

    def _now_us(self) -> int:
        return self._clock_us() - self._started_us

    def _publish(self, now_us: int) -> None:
        since_us, carried = self._published
        span_us = now_us - since_us
        self._snapshot = LinkSnapshot(
            capacity_bps=self._up.capacity_bytes(since_us, now_us) * 8_000_000 // span_us,
            used_bps=(self._up.carried_bytes - carried) * 8_000_000 // span_us,
            queue_bytes=self._up.queue_bytes(now_us),
            delay_us=self._up.delay_us(now_us),
            connections=len(self._pairs),
            carried_bytes=self._up.carried_bytes,
            repaired_chunks=self._up.repaired_chunks + self._down.repaired_chunks,
        )
        self._published = (now_us, self._up.carried_bytes)

    def _accept(self, _now_us: int, _mask: int) -> None:
        with suppress(BlockingIOError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            keep_small(client)
            server = socket.socket(self._target[0], socket.SOCK_STREAM)
            server.setblocking(False)
            keep_small(server)
            server.connect_ex(self._target[1])
            lanes = (self._down, self._up)
            if self._sender_side is SenderSide.LISTEN:
                lanes = (self._up, self._down)
            self._pairs.add(
                ProxiedConnection(client, server, lanes, self._selector, self._pairs.discard)
            )

    def _close(self) -> None:
        for pair in list(self._pairs):
            pair.close()
        for one in (self._listener, self._wake_in, self._wake_out):
            one.close()
        self._selector.close()


_Address: TypeAlias = tuple[socket.AddressFamily, tuple[str, int]]


def parse_address(text: str, *, option: str) -> _Address:
    """Family and address of `host:port` or `tcp://host:port`. Raises ConfigError."""
    host, colon, port = text.removeprefix("tcp://").rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if host == "*":
        host = "0.0.0.0"
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ConfigError(f"{option} is {text!r}, expected host:port or tcp://host:port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return family, (host, int(port))


def _listen(address: _Address) -> socket.socket:
    family, where = address
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keep_small(listener)  # before listen: accepted sockets inherit the sizes
        listener.setblocking(False)
        listener.bind(where)
        listener.listen(16)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"--listen {where[0]}:{where[1]}: {str(reason).lower()}") from None
    return listener
