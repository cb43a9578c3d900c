# SPDX-License-Identifier: Apache-2.0
"""Follows a running sender, receiver or relay: screen, log, statistics file, end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Protocol

from services.commands.hangup import asked
from services.measure.events import StreamEvent
from services.process import logs
from services.process.chronicle import Chronicle, chronicle
from services.process.clock import now_us
from services.process.notify import Notifier
from services.process.statsfile import Keeping, StatsFile
from services.settings.config import LogSettings

_LOOK_S = 0.2
_STATS_S = 1.0


class Snapshot(Protocol):
    """What either end counted."""

    @property
    def at_us(self) -> int: ...
    @property
    def stream(self) -> str: ...
    @property
    def events(self) -> tuple[StreamEvent, ...]: ...
    def as_json(self) -> dict[str, object]: ...


class Part(Protocol):
    """A sender or a receiver."""

    @property
    def ended(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def wait(self, seconds: float | None = None) -> None: ...
    def snapshot(self) -> Snapshot: ...


@dataclass(frozen=True, slots=True)
class Records:
    """What is kept of a run: the name of its part in the log, and where statistics go."""

    part: str
    stats: Path | None = None
    keeping: Keeping = Keeping()  # noqa: RUF009  (frozen)


def records(part: str, stats: Path | None, settings: LogSettings) -> Records:
    """From the settings."""
    return Records(part, stats, Keeping(settings.stats_mb * 1_000_000, settings.stats_files))


def follow(
    part: Part,
    look: Callable[[], Snapshot],
    *,
    seconds: float | None,
    stays: bool,
    stopped: Event,
    keep: Records,
) -> Snapshot:
    """Run a part until the time is over, it has ended, or a signal came; return its last snapshot.

    `look` takes a snapshot, and may paint it. Events become lines of the log. SIGHUP opens the
    file of statistics again. Raises what `wait` of the part raises.
    """
    notifier = Notifier(os.environ, clock_us=now_us)
    story = chronicle(keep.part)
    with _stats_file(keep) as stats:
        try:
            part.start()
            notifier.ready()
            end_s = None if seconds is None else time.monotonic() + seconds
            next_stats_s = time.monotonic() + _STATS_S
            while not stopped.wait(_LOOK_S):
                part.wait(0.0)
                snapshot = look()
                _tell(story, snapshot)
                notifier.look(snapshot.as_json)
                if asked():
                    _reload(keep, stats)
                now_s = time.monotonic()
                if now_s >= next_stats_s:
                    next_stats_s = max(next_stats_s + _STATS_S, now_s)
                    if stats is not None:
                        stats.write(snapshot.as_json())
                if part.ended and not stays:
                    part.wait(0.0)  # why it ended may be an error
                    break
                if end_s is not None and now_s >= end_s:
                    break
            last = look()
            if stats is not None:
                stats.write(last.as_json())
        finally:
            notifier.stopping()
            part.stop()
            _tell(story, part.snapshot())  # what broke it, and events while it ended
    return last


def _tell(story: Chronicle, snapshot: Snapshot) -> None:
    story.tell(snapshot.events, stream=snapshot.stream, now_us=snapshot.at_us)


def _reload(keep: Records, stats: StatsFile | None) -> None:
    """Keys are looked at twice a second anyway, and the log goes to standard error."""
    if stats is not None:
        stats.reopen()
    logs.get(keep.part).info("reloaded", stats=str(keep.stats) if stats else "none")


@contextmanager
def _stats_file(keep: Records) -> Iterator[StatsFile | None]:
    if keep.stats is None:
        yield None
        return
    file = StatsFile(keep.stats, keep.keeping, clock_us=now_us)
    try:
        yield file
    finally:
        file.close()
