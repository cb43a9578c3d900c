# SPDX-License-Identifier: Apache-2.0
"""A recording that is played: each packet when it is due, bytes untouched; pure.

The reader of the file is handed in as a function that starts a round from its beginning. The
caller starts each round; after its last packet nothing is due any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol


class Record(Protocol):
    """A packet of a file, see `streamcodec.container.Record`."""

    @property
    def timestamp_us(self) -> int: ...
    @property
    def packet(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Due:
    """A packet that is due. `at_us` is its due time, however late it is popped."""

    packet: bytes
    at_us: int


class Tape:
    """Plays one round after another. A late reader gets all that is due, with its right times."""

    def __init__(self, rounds: Callable[[], Iterator[Record]], *, frame_interval_us: int) -> None:
        self._rounds = rounds
        self._interval_us = frame_interval_us
        self._records: Iterator[Record] = iter(())
        self._next: Record | None = None
        self._start_us = 0  # when the record with time 0 is due
        self._last_us: int | None = None

    def start(self, now_us: int) -> None:
        """Begin a round. Its first packet is due now, or one frame period after the last of the
        round before, where that is still to come."""
        self._records = self._rounds()
        self._next = next(self._records, None)
        first_us = now_us
        if self._last_us is not None:
            first_us = max(now_us, self._last_us + self._interval_us)
        self._start_us = first_us - (self._next.timestamp_us if self._next else 0)

    @property
    def at_end(self) -> bool:
        """True when the round has nothing more, and before the first."""
        return self._next is None

    @property
    def next_us(self) -> int | None:
        """When the next packet is due; None at the end."""
        return None if self._next is None else self._start_us + self._next.timestamp_us

    def pop_due(self, now_us: int) -> Iterator[Due]:
        """The packets that are due, in order."""
        while self._next is not None and (at_us := self.next_us) is not None and at_us <= now_us:
            yield Due(self._next.packet, at_us)
            self._last_us = at_us
            self._next = next(self._records, None)

    def close(self) -> None:
        """Let go of the file."""
        closing = getattr(self._records, "close", None)
        if closing is not None:
            closing()
        self._records, self._next = iter(()), None
