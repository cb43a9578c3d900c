# SPDX-License-Identifier: Apache-2.0
"""What every end that takes a stream does, a receiver as well as a relay; pure.

What happens on its connection comes in, with the time; what to do goes out (`Results`). What
becomes of the packets is its own: `receiver.core` and `relay.core`.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.measure.events import EventLog
from services.measure.measures import wire_bytes
from services.protocol import messages as m
from services.protocol.intake import Intake, Results
from services.protocol.profile import Profile

TICK_US = 50_000


class Upstream:
    """Not thread-safe: the caller holds a lock. `now_us` never decreases.

    `connects`: this end has one peer and dials; an end that listens is not told of
    broken connections, and goes by silence.
    """

    def __init__(self, profile: Profile, *, connects: bool, now_us: int) -> None:
        self.intake = Intake(profile, connects=connects, now_us=now_us)
        self.events = EventLog()  # beside those of the intake
        self.heard_us = now_us  # when a session last existed
        self.wake_us = now_us  # when `tick` is due
        self.malformed = 0
        self.wire_bytes = 0

    # -- the connection ------------------------------------------------------------------------

    def connected(self, now_us: int) -> Results:
        """A new connection is established."""
        self.intake.rebuilt(now_us)
        return self.intake.tick(now_us)

    def disconnected(self, now_us: int) -> None:
        """The connection broke."""
        self.intake.lost(now_us, "disconnected")

    def spare_connected(self, now_us: int) -> None:
        """The second connection is established."""
        self.intake.standby_connected(now_us)

    def refused(self, now_us: int) -> None:
        """The other end refused the connection itself."""
        self.events.add(now_us, "handshake_refused", "keys or protocol do not fit")

    def cut(self, reasons: Sequence[str], now_us: int) -> None:
        """Connections were cut, for these reasons."""
        self.events.connections_cut(now_us, reasons)

    # -- messages ------------------------------------------------------------------------------

    def message(self, peer: bytes, data: bytes, now_us: int, *, encrypted: bool) -> Results:
        """A message came."""
        self.wire_bytes += wire_bytes(len(data), encrypted=encrypted)
        results = self.intake.on_message(peer, data, now_us)
        self._took(results, now_us)
        return results

    def tick(self, now_us: int) -> Results:
        """The timers, due at `wake_us`."""
        self.wake_us = now_us + TICK_US
        results = self.intake.tick(now_us)
        if self.intake.welcome is not None:
            self.heard_us = now_us
        return results

    def ask_keyframe(self, reason: m.KeyframeReason, now_us: int) -> Results:
        """Ask the sender for a keyframe, unless that was done a moment ago."""
        return self.intake.ask_keyframe(reason, now_us)

    def farewell(self) -> Results:
        """BYE, before closing."""
        return self.intake.farewell()

    # -- what a receiver and a relay do each in their way ----------------------------------------

    def _took(self, results: Results, now_us: int) -> None:
        """A message led to this: a stream began or ended, packets came."""
