# SPDX-License-Identifier: Apache-2.0
"""Ends the wait of a poll from any other thread."""

from __future__ import annotations

import contextlib
import secrets
import threading

import zmq


class WakeUp:
    """A pair of sockets of one context. All but `wake` belongs to the thread that polls."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        address = f"inproc://wake-{secrets.token_hex(8)}"
        self._lock = threading.Lock()
        self.socket = context.socket(zmq.PAIR)  # to be polled
        self.socket.rcvhwm = 4
        self.socket.bind(address)
        self._waker: zmq.Socket[bytes] | None = context.socket(zmq.PAIR)
        self._waker.sndhwm = 4
        self._waker.connect(address)

    def wake(self) -> None:
        """End the current or next poll at once; any thread may call this."""
        with self._lock:
            if self._waker is not None:
                with contextlib.suppress(zmq.Again):  # a wake-up is pending already
                    self._waker.send(b"", zmq.DONTWAIT)

    def drain(self) -> None:
        """Take the wake-ups that came."""
        while True:
            try:
                self.socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                return

    def close(self) -> None:
        """From now on waking does nothing."""
        with self._lock:
            if self._waker is not None:
                self._waker.close(linger=0)
            self._waker = None
        self.socket.close(linger=0)
