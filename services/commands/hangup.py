# SPDX-License-Identifier: Apache-2.0
"""SIGHUP asks a daemon to open its files again; only where its terminal is gone does it end it."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

DAEMONS = ("send", "recv", "relay", "link")
_came: list[int] = []  # one process has one such signal; a list takes it without a lock


@contextmanager
def catching_hangups(arguments: Sequence[str]) -> Iterator[None]:
    """Note SIGHUP (`asked`) while inside, if that command is a daemon.

    `arguments` is the command line without the program. Where SIGHUP is ignored, as by nohup, it
    stays ignored.
    """
    wanted = bool(arguments) and arguments[0] in DAEMONS
    in_main = threading.current_thread() is threading.main_thread()
    if not wanted or not in_main or signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:
        yield
        return
    terminals = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]

    def on_hangup(number: int, _: FrameType | None) -> None:
        if _gone(terminals):
            signal.raise_signal(signal.SIGTERM)
        else:
            _came.append(number)

    signal.signal(signal.SIGHUP, on_hangup)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def asked() -> bool:
    """True once after a SIGHUP, or several of them."""
    came = bool(_came)
    _came.clear()
    return came


def _gone(terminals: Sequence[int]) -> bool:
    """Whether one of these terminals has been closed."""
    poll = select.poll()
    for descriptor in terminals:
        poll.register(descriptor, 0)
    return any(found & (select.POLLHUP | select.POLLERR) for _, found in poll.poll(0))
