# SPDX-License-Identifier: Apache-2.0
"""Events of a stream, for the log, the page and the plots; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from services.settings.addresses import masked

_REFUSED_TOLD_US = 5_000_000  # unknown peers try as often as they like: one event in this time

_SAMPLED_FIRST = 10


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Something that happened to a stream: a line in the log, a mark in a plot."""

    at_us: int
    name: str  # keyframe, freeze, connected, lost, refused, limited, source_lost, ...
    text: str = ""


class EventLog:
    """The last events, oldest first."""

    def __init__(self, capacity: int = 256) -> None:
        self._events: deque[StreamEvent] = deque(maxlen=capacity)
        self._counts: dict[str, int] = {}  # of kinds that are sampled

    def add(self, at_us: int, name: str, text: str = "") -> None:
        """Append an event."""
        self._events.append(StreamEvent(at_us, name, masked(text)))

    def add_seldom(self, at_us: int, name: str, text: str = "", *, every_us: int) -> None:
        """Append an event, unless one of that name is younger than `every_us`."""
        last_us = max((e.at_us for e in self._events if e.name == name), default=None)
        if last_us is None or at_us - last_us >= every_us:
            self.add(at_us, name, text)

    def bad_message(self, at_us: int, text: str) -> None:
        """A message broke the rules; the first ten, and then one in a thousand."""
        self._sampled(at_us, "bad_message", text, one_in=1000)

    def connections_cut(self, at_us: int, reasons: Sequence[str]) -> None:
        """Connections were cut; the first ten, and then one in a hundred."""
        for reason in reasons:
            self._sampled(at_us, "connection_cut", reason, one_in=100)

    def handshakes_refused(self, at_us: int, so_far: int) -> None:
        """Handshakes were refused, `so_far` in all; an event now and then, as anybody may try."""
        text = f"keys not allowed, or another protocol; {so_far} so far"
        self.add_seldom(at_us, "handshake_refused", text, every_us=_REFUSED_TOLD_US)

    def snapshot(self) -> tuple[StreamEvent, ...]:
        """All that are kept."""
        return tuple(self._events)

    def _sampled(self, at_us: int, name: str, text: str, *, one_in: int) -> None:
        count = self._counts[name] = self._counts.get(name, 0) + 1
        if count <= _SAMPLED_FIRST or count % one_in == 0:
            self.add(at_us, name, text)
