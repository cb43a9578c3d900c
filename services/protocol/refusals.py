# SPDX-License-Identifier: Apache-2.0
"""Which refusals of receivers become an event; pure.

A receiver that has several models asks with one after the other. One that is let in soon after
a refusal was not refused for good, so an event waits that long.
"""

from __future__ import annotations

from collections import OrderedDict

from services.measure.events import EventLog

WAITS_US = 1_000_000  # a round trip and HELLO with the next model
_KEPT = 64


class Refusals:
    """Adds `refused` to the events of a sender or relay."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._waiting: OrderedDict[int, tuple[int, str, str]] = OrderedDict()  # by instance
        self._last_reason = ""  # it comes back each second, and is told once

    def refused(self, instance: int, name: str, reason: str, now_us: int) -> None:
        """A HELLO was refused."""
        if instance not in self._waiting:
            self._waiting[instance] = now_us, name, reason
        if len(self._waiting) > _KEPT:
            self._tell(now_us)

    def let_in(self, instance: int) -> None:
        """A HELLO of this receiver fits."""
        self._waiting.pop(instance, None)

    def tick(self, now_us: int) -> None:
        """Tell of those that were not let in meanwhile."""
        while self._waiting and now_us - next(iter(self._waiting.values()))[0] >= WAITS_US:
            self._tell(now_us)

    def _tell(self, now_us: int) -> None:
        _, (_, name, reason) = self._waiting.popitem(last=False)
        if reason != self._last_reason:
            self._last_reason = reason
            self._events.add(now_us, "refused", f"{name}: {reason}")
