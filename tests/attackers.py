# SPDX-License-Identifier: Apache-2.0
"""Peers that break the rules below the messages: raw ZMTP, plain and with CURVE (RFC 23 and 26).

CURVE uses the libsodium that the wheel of pyzmq brings along.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
from importlib import resources
from pathlib import Path

import zmq
from zmq.utils import z85

_GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01"
_READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
_BOX_OVERHEAD = 16


class RawPeer:
    """A DEALER made of a TCP socket, past its handshake: says `part` as often as it likes."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        host, _, port = url.removeprefix("tcp://").rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout_s)
        self.socket.settimeout(timeout_s)
        try:
            self._handshake()
        except BaseException:
            self.socket.close()
            raise

    def send_part(self, data: bytes, *, more: bool) -> None:
        """One part of a message."""
        self.send_raw(self.part(data, more=more))

    def part(self, data: bytes, *, more: bool) -> bytes:
        """The bytes of a part on the wire."""
        return _frame(int(more), data)

    def send_raw(self, data: bytes) -> None:
        """Bytes as they are. Raises OSError once the other end has hung up."""
        self.socket.sendall(data)

    def endless(self, size: int, most_bytes: int) -> int:
        """Send parts of one message until cut, or that much is sent; returns how much was."""
        sent = 0
        with contextlib.suppress(OSError):
            while sent < most_bytes:
                parts = b"".join(
                    self.part(bytes(size), more=True) for _ in range(max(1, 65_536 // (size + 9)))
                )
                self.send_raw(parts)
                sent += len(parts)
        return sent

    def close(self) -> None:
        self.socket.close()

    def _handshake(self) -> None:
        self.send_raw(_GREETING + b"NULL".ljust(20, b"\0") + bytes(32))
        self._take(64)
        self.send_raw(_frame(4, _READY))
        self._command()

    def _take(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self.socket.recv(count - len(found))
            if not more:
                raise ConnectionError("the other end hung up in the handshake")
            found += more
        return found

    def _command(self) -> bytes:
        flags = self._take(1)[0]
        size = self._take(1)[0] if not flags & 2 else struct.unpack(">Q", self._take(8))[0]
        return self._take(size)


class CurvePeer(RawPeer):
    """The same with keys (40 bytes of Z85 each)."""

    def __init__(self, url: str, *, public: bytes, secret: bytes, server: bytes) -> None:
        self._public, self._secret, self._server = (
            z85.decode(key) for key in (public, secret, server)
        )
        self._count = 0
        super().__init__(url)

    def part(self, data: bytes, *, more: bool) -> bytes:
        nonce = self._nonce()
        body = _box(
            bytes([int(more)]) + data, b"CurveZMQMESSAGEC" + nonce, self._session, self._own
        )
        return _frame(0, b"\x07MESSAGE" + nonce + body)

    def _handshake(self) -> None:
        self.send_raw(_GREETING + b"CURVE".ljust(20, b"\0") + bytes(32))
        self._take(64)
        public, self._own = (z85.decode(key) for key in zmq.curve_keypair())
        nonce = self._nonce()
        signature = _box(bytes(64), b"CurveZMQHELLO---" + nonce, self._server, self._own)
        self.send_raw(_frame(4, b"\x05HELLO\x01\x00" + bytes(72) + public + nonce + signature))
        welcome = self._command().removeprefix(b"\x07WELCOME")
        opened = _unbox(welcome[16:], b"WELCOME-" + welcome[:16], self._server, self._own)
        self._session, cookie = opened[:32], opened[32:]
        vouch_nonce = bytes(range(16))
        vouch = _box(public + self._server, b"VOUCH---" + vouch_nonce, self._session, self._secret)
        nonce = self._nonce()
        told = self._public + vouch_nonce + vouch + _READY[6:]
        initiate = _box(told, b"CurveZMQINITIATE" + nonce, self._session, self._own)
        self.send_raw(_frame(4, b"\x08INITIATE" + cookie + nonce + initiate))
        if not self._command().startswith(b"\x05READY"):
            raise ConnectionError("the key was refused")

    def _nonce(self) -> bytes:
        self._count += 1
        return struct.pack(">Q", self._count)


def _frame(flags: int, data: bytes) -> bytes:
    if len(data) < 256:
        return bytes([flags, len(data)]) + data
    return bytes([flags | 2]) + struct.pack(">Q", len(data)) + data


def _sodium() -> ctypes.CDLL:
    folder = Path(str(resources.files("zmq"))).parent / "pyzmq.libs"
    (library,) = folder.glob("libsodium*")
    return ctypes.CDLL(str(library))


def _box(plain: bytes, nonce: bytes, public: bytes, secret: bytes) -> bytes:
    sealed = ctypes.create_string_buffer(len(plain) + _BOX_OVERHEAD)
    done = _sodium().crypto_box_easy(
        sealed, plain, ctypes.c_ulonglong(len(plain)), nonce, public, secret
    )
    assert done == 0
    return sealed.raw


def _unbox(sealed: bytes, nonce: bytes, public: bytes, secret: bytes) -> bytes:
    plain = ctypes.create_string_buffer(len(sealed) - _BOX_OVERHEAD)
    done = _sodium().crypto_box_open_easy(
        plain, sealed, ctypes.c_ulonglong(len(sealed)), nonce, public, secret
    )
    assert done == 0, "what came does not open"
    return plain.raw


def curve_is_possible() -> bool:
    """Whether this build of pyzmq brings its libsodium as a library of its own."""
    try:
        _sodium()
    except (OSError, ValueError):
        return False
    return True
