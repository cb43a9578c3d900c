# SPDX-License-Identifier: Apache-2.0
"""One stream that a relay takes in: the socket around its core."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from services.measure.events import StreamEvent
from services.protocol.fanout import Fanout
from services.protocol.intake import Results
from services.protocol.profile import Profile
from services.relay.core import FeedCore
from services.wire.endpoint import Endpoint
from services.wire.inlet import Inlet
from services.wire.outlet import Outlet


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a stream comes from. An empty name takes any."""

    endpoint: Endpoint
    stream: str = ""


class FeedLine:
    """Receives one stream and gives its packets to a fan-out, through restarts of the sender.

    `run` is the work of a thread of its own, which owns the socket; the core is shared under
    `lock`. `outlet` is set before the thread starts.
    """

    outlet: Outlet

    def __init__(
        self,
        feed: Feed,
        profile: Profile,
        fanout: Fanout,
        *,
        lock: threading.Lock,
        stopping: threading.Event,
        clock_us: Callable[[], int],
    ) -> None:
        connects = not feed.endpoint.bind
        self.core = FeedCore(profile, fanout, connects=connects, now_us=clock_us())
        self.inlet = Inlet(feed.endpoint, self.core, take=self._took, lock=lock, clock_us=clock_us)
        self._lock = lock
        self._stopping = stopping
        self._now_us = clock_us

    def recent_events(self) -> tuple[StreamEvent, ...]:
        """What happened upstream lately."""
        return (*self.core.events.snapshot(), *self.core.intake.events.snapshot())

    def run(self) -> None:
        """Receive until told to stop, then say BYE."""
        while not self._stopping.is_set():
            self.inlet.turn()
        self.inlet.say_farewell()

    def request_keyframe(self) -> None:
        """Ask the sender for a keyframe where receivers need one; any thread may call this."""
        with self._lock:
            results = self.core.request_keyframe(self._now_us())
        self.inlet.post(results)

    def _took(self, results: Results) -> None:
        if results.arrivals or results.started is not None or results.ended is not None:
            with self._lock:
                self.outlet.post(self.core.take_replies())
            self.outlet.wake()
