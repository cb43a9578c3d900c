# SPDX-License-Identifier: Apache-2.0
"""When pictures of a live stream are due: bursts are spread by their times; pure.

Live is what arrives in real time, and is shown when it arrives. Where a server sends in bursts
(HLS: a segment at a time), a picture follows the one before it after the time between their
stamps, so that what came at once is shown as it was filmed. Nothing else waits:

- a picture that arrives late is due at once, and time goes on from there;
- what waits longer than any gap needs is worked off a quarter faster, once nothing ran dry for
  `watch_us`: the delay of a stall does not stay. None: the source waits for us, and nothing is
  to be worked off.
"""

from __future__ import annotations

_CATCH_UP = 0.2  # of each step is left out while there is more than needed
_LATE_US = 250_000
_SPARE_US = 120_000  # what may wait without being worked off


class BurstPacer:
    """Due times of pictures from their times in the stream and the moments they are asked for."""

    def __init__(self, *, watch_us: int | None) -> None:
        self._watch_us = watch_us
        self._anchor_us: int | None = None  # when the picture with time 0 is due
        self._last_us = 0
        self._least_us = 0  # that waited behind a picture since the watch began
        self._since_us: int | None = None
        self._spare_us = 0

    def due_us(self, time_us: int, *, now_us: int, waiting_us: int, starved: bool) -> int:
        """When a picture is due.

        `time_us` is its time in the stream; behind it `waiting_us` of the stream wait; `starved`:
        nothing had been there when it was asked for.
        """
        late_us = 0 if self._anchor_us is None else now_us - self._anchor_us - time_us
        # What waits for us is not worked off in a burst either, when it was us who were late.
        most_us = 0 if starved else _LATE_US if self._watch_us is None else late_us
        if self._anchor_us is None or late_us > most_us:
            self._anchor_us = now_us - time_us
            self._spare_us = 0
        self._watch(now_us, waiting_us, starved=starved)
        step_us = max(0, time_us - self._last_us)
        if self._spare_us > 0:
            gain_us = min(self._spare_us, round(_CATCH_UP * step_us))
            self._anchor_us -= gain_us
            self._spare_us -= gain_us
        self._last_us = time_us
        return self._anchor_us + time_us

    def _watch(self, now_us: int, waiting_us: int, *, starved: bool) -> None:
        if self._watch_us is None:
            return
        if self._since_us is None or starved:
            self._since_us, self._least_us, self._spare_us = now_us, waiting_us, 0
            return
        self._least_us = min(self._least_us, waiting_us)
        if now_us - self._since_us >= self._watch_us:
            self._spare_us = max(0, self._least_us - _SPARE_US)
            self._since_us, self._least_us = now_us, waiting_us
