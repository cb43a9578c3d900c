# SPDX-License-Identifier: Apache-2.0
"""Writes the events of a stream into the log: each one once, and no name of event too often.

The rooms that make events know no log (`services.measure.events`); whoever follows a daemon gives
its last events to a `Chronicle` a few times a second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from services.measure.events import StreamEvent
from services.process import logs
from services.process.limiter import Limiter

LEVELS: Mapping[str, int] = {
    "bad_message": logging.WARNING,
    "connection_cut": logging.WARNING,
    "damaged_packet": logging.WARNING,
    "decoder_failed": logging.ERROR,
    "freeze": logging.WARNING,
    "handshake_refused": logging.WARNING,
    "keys_unreadable": logging.ERROR,
    "lost": logging.WARNING,
    "recording_failed": logging.ERROR,
    "refused": logging.WARNING,
    "revoked": logging.WARNING,
    "sink_failed": logging.ERROR,
    "source_lost": logging.WARNING,
    "stranger": logging.WARNING,
}  # of the events that are no mere information


class Chronicle:
    """Logs events of one daemon that it has not logged yet. `write` takes level, name, fields."""

    def __init__(self, write: Callable[[int, str, dict[str, object]], None]) -> None:
        self._write = write
        self._known: dict[int, StreamEvent] = {}  # by identity: equal ones may happen twice
        self._limiter: Limiter[tuple[StreamEvent, str]] = Limiter()

    def tell(self, events: Iterable[StreamEvent], *, stream: str, now_us: int) -> None:
        """Log the new ones among the last events, oldest first."""
        seen = {id(event): event for event in events}
        fresh = [event for key, event in seen.items() if key not in self._known]
        self._known = seen
        for event in fresh:
            admitted, left_out = self._limiter.admits(event.name, (event, stream), now_us)
            if admitted:
                self._line(event, stream, left_out)
        for (event, of_stream), left_out in self._limiter.overdue(now_us):
            self._line(event, of_stream, left_out)

    def _line(self, event: StreamEvent, stream: str, left_out: int) -> None:
        fields: dict[str, object] = {"stream": stream} if stream else {}
        if event.text:
            fields["text"] = event.text
        if left_out:
            fields["left_out"] = left_out
        self._write(LEVELS.get(event.name, logging.INFO), event.name, fields)


def chronicle(part: str) -> Chronicle:
    """One that writes into the log of a part: "sender", "receiver" or "relay"."""
    return Chronicle(logs.get(part).emit)
