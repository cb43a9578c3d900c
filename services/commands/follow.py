# SPDX-License-Identifier: Apache-2.0
"""Follows a running sender or receiver: screen, statistics file, end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import IO, Protocol

from services import logs
from services.errors import SinkError
from services.notify import Notifier

_LOOK_S = 0.2
_STATS_S = 1.0


class Snapshot(Protocol):
    """What either end counted."""

    def as_json(self) -> dict[str, object]: ...


class Part(Protocol):
    """A sender or a receiver."""

    @property
    def ended(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def wait(self, seconds: float | None = None) -> None: ...


def follow(
    part: Part,
    look: Callable[[], Snapshot],
    *,
    seconds: float | None,
    stays: bool,
    stopped: Event,
    stats: Path | None,
) -> Snapshot:
    """Run a part until the time is over, it has ended, or a signal came; return its last word.

    `look` takes a snapshot, and may paint it. Raises what `wait` of the part raises.
    """
    notifier = Notifier(os.environ, clock_us=lambda: time.monotonic_ns() // 1000)
    with stats_file(stats) as write:
        try:
            part.start()
            notifier.ready()
            end_s = None if seconds is None else time.monotonic() + seconds
            next_stats_s = time.monotonic() + _STATS_S
            while not stopped.wait(_LOOK_S):
                part.wait(0.0)
                snapshot = look()
                notifier.look(snapshot.as_json)
                now_s = time.monotonic()
                if now_s >= next_stats_s:
                    next_stats_s += _STATS_S
                    write(snapshot)
                if part.ended and not stays:
                    part.wait(0.0)  # why it ended may be an error
                    break
                if end_s is not None and now_s >= end_s:
                    break
            last = look()
            write(last)
        finally:
            notifier.stopping()
            part.stop()
    return last


@contextmanager
def stats_file(path: Path | None) -> Iterator[Callable[[Snapshot], None]]:
    """A function that appends a snapshot as a line of JSON. Raises SinkError at the start only:
    a disk that is full later ends the statistics with one message, and the stream goes on."""
    if path is None:
        yield lambda snapshot: None
        return
    try:
        file: IO[str] = path.open("a", encoding="utf-8")
    except OSError as error:
        raise SinkError(f"{path}: statistics cannot be written ({error.strerror})") from None
    failed = False

    def write(snapshot: Snapshot) -> None:
        nonlocal failed
        if failed:
            return
        try:
            file.write(json.dumps(snapshot.as_json()) + "\n")
            file.flush()
        except OSError as error:
            failed = True
            logs.get("stats").error("stats_ended", file=str(path), reason=error.strerror)

    try:
        yield write
    finally:
        with suppress(OSError):  # told already
            file.close()
