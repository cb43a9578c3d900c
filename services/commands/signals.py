# SPDX-License-Identifier: Apache-2.0
"""SIGINT and SIGTERM as a wish to stop; a second one does not wait for it."""

from __future__ import annotations

import _thread
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


@contextmanager
def stop_on_signals() -> Iterator[Event]:
    """An event that the first SIGINT or SIGTERM sets. The second ends the process at once."""
    stopped = Event()
    watched = (signal.SIGINT, signal.SIGTERM)
    came: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        if came:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        came.append(number)
        # Not here: this may interrupt `stopped.wait` while it holds the lock that `set` needs.
        _thread.start_new_thread(stopped.set, ())

    former = {number: signal.signal(number, on_signal) for number in watched}
    try:
        yield stopped
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
