# SPDX-License-Identifier: Apache-2.0
"""Watches the TCP connections of a port and cuts those that `ledger` finds at fault (Linux).

libzmq owns the descriptors; its monitor tells them, and the kernel tells how many bytes it took in
for each. One thread for the whole process looks 50 times a second whether memory has grown, at all
connections when it has, and otherwise twice a second. A cut is a shutdown of the connection, which
makes libzmq drop it and what it holds for it. Where the kernel does not count (ipc, other systems)
memory alone decides.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.process.clock import now_us
from services.process.descriptors import identity_of
from services.process.memory import give_back
from services.wire.ledger import CALM_BYTES, Allowance, Cut, Ledger
from services.wire.tcp_control import copied

LOOK_S = 0.02
FULL_LOOK_S = 0.5
GROWTH_BYTES = 1024 * 1024  # that make us look at all connections
PRESSED_GROWTH_BYTES = 48 * 1024 * 1024  # since all accounts were settled
_BEHIND_S = 0.1  # without having handed over all there was
_TRIM_S = (0.5, 2.0)  # after a connection ended: libzmq frees in its own thread
_INFO_BYTES = 136  # struct tcp_info of linux/tcp.h up to tcpi_bytes_received
_RECEIVED_AT = 128
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")


@dataclass(frozen=True, slots=True)
class _Connection:
    handle: socket.socket | None  # not ours: never closed, only asked; None: no TCP
    identity: tuple[int, int]


class Connections:
    """The connections of one port. `accepted`, `closed` and `delivered` belong to the port's
    thread; looking and cutting happen in the watch's."""

    def __init__(
        self,
        allowance: Allowance,
        *,
        connects: bool,
        on_cut: Callable[[Cut], None] = lambda cut: None,
    ) -> None:
        self._ledger = Ledger(allowance, all_trusted=connects)
        self._on_cut = on_cut
        self._lock = threading.Lock()
        self._known: dict[int, _Connection] = {}
        self._missed: set[int] = set()  # numbers of connections that ended before we looked
        self._local_port: int | None = None
        self._drained_s = time.monotonic()

    def open(self, local_port: int | None) -> None:
        """Begin; `local_port` is where we listen by TCP, if so."""
        self._local_port = local_port
        _WATCH.add(self)

    def close(self) -> None:
        """End, and forget all connections."""
        _WATCH.remove(self)
        with self._lock:
            for number in tuple(self._known):
                self._forget(number)

    def accepted(self, number: int) -> None:
        """A new connection has this descriptor."""
        found = self._looked_up(number)
        with self._lock:
            self._forget(number)
            if found is None:
                self._missed.add(number)  # gone again already
                return
            self._known[number] = found
            if self._ledger.is_full:
                cut: Cut | None = Cut(number, "others left more than can be heard")
            else:
                cut = self._ledger.opened(number, now_us())
        if cut is not None:
            self._end(cut)

    def closed(self, number: int) -> bool:
        """The connection of this descriptor is gone. False when no whole message ever came, and
        it was not cut for that."""
        with self._lock:
            spoke = self._ledger.has_spoken(number) and number not in self._missed
            self._forget(number)
        _WATCH.trim_soon()
        return spoke

    def delivered(self, number: int, size_bytes: int) -> None:
        """A message came whole from it."""
        with self._lock:
            self._ledger.delivered(number, size_bytes, now_us())

    def drained(self) -> None:
        """Nothing is there that could be handed over."""
        self._drained_s = time.monotonic()
        with self._lock:
            was_full = self._ledger.is_full
            self._ledger.drained()
        if was_full:
            _WATCH.trim_soon()

    def trust(self, number: int) -> None:
        """The peer that sends us packets is there."""
        with self._lock:
            self._ledger.trust(number)

    @property
    def is_full(self) -> bool:
        """Whether new connections are refused until the messages of closed ones are through."""
        with self._lock:
            return self._ledger.is_full

    @property
    def settled(self) -> bool:
        """True when hardly anything waits to be handed over.

        Accounts alone cannot tell: a message is credited with more than the shortest ones take.
        """
        if self._is_behind:
            return False
        with self._lock:
            return self._ledger.waiting_bytes_of_all + self._ledger.left_bytes <= CALM_BYTES

    @property
    def _is_behind(self) -> bool:
        return time.monotonic() - self._drained_s > _BEHIND_S

    def look(self, *, pressed: bool) -> None:
        """Cut the connections that are at fault."""
        with self._lock:
            known = tuple(self._known.items())
        received = {number: _received(one) for number, one in known}
        with self._lock:
            cuts = self._ledger.judge(received, now_us(), pressed=pressed)
            if pressed and self._is_behind:
                self._ledger.overrun()
        for cut in cuts:
            self._end(cut)

    def cut(self, number: int, reason: str) -> None:
        """Cut one connection for its messages."""
        with self._lock:
            self._ledger.closed(number)
        self._end(Cut(number, reason))

    def _end(self, cut: Cut) -> None:
        with self._lock:
            found = self._known.get(cut.number)
        if found is None:
            return
        # The descriptor may have been reused by now; a copy keeps what it is while we look.
        with contextlib.suppress(OSError), copied(cut.number) as ending:
            if identity_of(ending.fileno()) != found.identity:
                return
            self._on_cut(cut)  # before its number can be another's
            # No lingering: what is left in the kernel's buffers goes at once.
            ending.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            ending.shutdown(socket.SHUT_RDWR)
            _WATCH.trim_soon()

    def _forget(self, number: int) -> None:
        self._missed.discard(number)
        found = self._known.pop(number, None)
        if found is not None and found.handle is not None:
            found.handle.detach()
        self._ledger.closed(number)

    def _looked_up(self, number: int) -> _Connection | None:
        """The connection behind a descriptor; None where it is none of ours (any more)."""
        try:
            with copied(number) as one:
                family, identity = one.family, identity_of(one.fileno())
                tcp = family in (socket.AF_INET, socket.AF_INET6)
                if self._local_port is not None and not (
                    tcp and one.getsockname()[1] == self._local_port
                ):
                    return None
            if not tcp or not hasattr(socket, "TCP_INFO"):
                return _Connection(None, identity)
            handle = socket.socket(family, socket.SOCK_STREAM, 0, fileno=number)
        except OSError:
            return None
        return _Connection(handle, identity)


class _Watch:
    """The one thread that looks, while any port is open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ports: tuple[Connections, ...] = ()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._trims_s: list[float] = []

    def add(self, port: Connections) -> None:
        with self._lock:
            self._ports = (*self._ports, port)
            if self._thread is None:
                self._stopping = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._stopping,), name="watch", daemon=True
                )
                self._thread.start()

    def remove(self, port: Connections) -> None:
        with self._lock:
            self._ports = tuple(other for other in self._ports if other is not port)
            ending = None if self._ports else self._thread
            if ending is not None:
                self._stopping.set()
                self._thread = None
        if ending is not None and ending is not threading.current_thread():
            ending.join()

    def trim_soon(self) -> None:
        """Memory that is freed in the next moments goes back to the system."""
        now_s = time.monotonic()
        first_s = now_s + _TRIM_S[0]  # not put off by later calls
        self._trims_s = [min([first_s, *self._trims_s[:1]]), now_s + _TRIM_S[1]]

    def _run(self, stopping: threading.Event) -> None:
        memory = _Memory()
        last_bytes = calm_bytes = memory.resident_bytes()
        looked_s = time.monotonic()
        try:
            while not stopping.wait(LOOK_S):
                now_s = time.monotonic()
                resident = memory.resident_bytes()
                if resident - last_bytes >= GROWTH_BYTES or now_s - looked_s >= FULL_LOOK_S:
                    looked_s, last_bytes = now_s, resident
                    ports = self._ports
                    for port in ports:
                        port.look(pressed=resident - calm_bytes >= PRESSED_GROWTH_BYTES)
                    if all(port.settled for port in ports):
                        calm_bytes = resident
                if self._trims_s and now_s >= self._trims_s[0]:
                    self._trims_s = self._trims_s[1:]
                    give_back()
                    last_bytes = memory.resident_bytes()
        finally:
            memory.close()


class _Memory:
    """The resident size of this process; always 0 where the system does not tell."""

    def __init__(self) -> None:
        try:
            self._file: int | None = os.open("/proc/self/statm", os.O_RDONLY)
        except OSError:
            self._file = None

    def resident_bytes(self) -> int:
        if self._file is None:
            return 0
        return int(os.pread(self._file, 128, 0).split()[1]) * _PAGE_BYTES

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)


def _received(one: _Connection) -> int | None:
    """Bytes that the kernel took in for it; None where it does not count them."""
    if one.handle is None:
        return None
    try:
        if identity_of(one.handle.fileno()) != one.identity:
            return 0  # closed, and its descriptor given to another: we shall be told
        info = one.handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except OSError:
        return 0
    if len(info) < _INFO_BYTES:
        return None
    return int(struct.unpack_from("=Q", info, _RECEIVED_AT)[0])


_AT_ONCE = struct.pack("ii", 1, 0)
_WATCH = _Watch()
