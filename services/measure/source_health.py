# SPDX-License-Identifier: Apache-2.0
"""What a source left out and what waits in it: its part of the statistics; pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """What a source left out, and what waits inside it, since it was opened first.

    `frames_damaged` could not be decoded; `frames_dropped` (packets) came too fast to be kept;
    `buffered_us` of the stream wait for their time; `restarts`: times it was lost.
    """

    frames_damaged: int = 0
    frames_dropped: int = 0
    buffered_us: int = 0
    restarts: int = 0

    def after(self, former: SourceHealth) -> SourceHealth:
        """This one's figures with those of its predecessors; what waits is of now."""
        return SourceHealth(
            self.frames_damaged + former.frames_damaged,
            self.frames_dropped + former.frames_dropped,
            self.buffered_us,
            self.restarts + former.restarts,
        )


def health_of(source: object) -> SourceHealth:
    """The health of a source; nothing to tell for those that have none."""
    found = getattr(source, "health", None)
    return found if isinstance(found, SourceHealth) else SourceHealth()
