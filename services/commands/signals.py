# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM ask to stop; a second one does not wait for it.

While a program loads, nothing is begun yet: it just ends, with the code of an end that was asked
for. A command that has something to finish uses `stop_on_signals` or `leave_in_order`.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from types import FrameType

_WATCHED = (signal.SIGINT, signal.SIGTERM)


def leave_on_signals() -> None:
    """From now on the first signal ends the process at once, with exit code 0."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, RuntimeError):
                stream.flush()
        os._exit(0)  # an exception could be swallowed by whatever import it falls into

    for number in _WATCHED:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, and children of a demo
            signal.signal(number, leave)


@contextmanager
def leave_in_order() -> Iterator[None]:
    """A signal ends what runs inside as an exception does, so that files are finished; code 0."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    former = {number: signal.signal(number, leave) for number in _WATCHED}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def stop_on_signals() -> Iterator[Event]:
    """An event that the first SIGINT or SIGTERM sets. The second ends the process at once."""
    stopped = Event()
    came: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        if came:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        came.append(number)
        # Not here: this may interrupt `stopped.wait` while it holds the lock that `set` needs.
        _thread.start_new_thread(stopped.set, ())

    former = {number: signal.signal(number, on_signal) for number in _WATCHED}
    try:
        yield stopped
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
