# SPDX-License-Identifier: Apache-2.0
"""A relay: receives streams once and serves each to many. It knows packets, not pictures.

A thread and socket for each stream that comes in (`relay.feed`), and one of each for all receivers
(`wire.outlet`). The decisions are in `relay.core` (towards senders), `protocol.board` (who
wants which stream) and `protocol.fanout` (towards receivers). Relays may be chained.
Times of frames are moved to this machine's clock at each hop, and the error of that is added up.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

from services.errors import PeerLost
from services.measure.events import EventLog
from services.measure.measures import Rate, wire_bytes
from services.measure.relay_stats import RelaySnapshot
from services.process.clock import boot_id, now_us
from services.process.threads import Crew
from services.protocol import messages as m
from services.protocol.board import Board
from services.protocol.fanout import Fanout
from services.protocol.profile import Profile
from services.relay.feed import Feed, FeedLine
from services.wire.endpoint import Endpoint, watched_gate
from services.wire.outlet import Outlet
from services.wire.transport import Port

__all__ = ["Feed", "Relay", "RelayConfig", "RelaySnapshot"]

_POLL_MS = 50


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """Where the streams come from, and where they are served."""

    feeds: tuple[Feed, ...]
    downstream: Endpoint
    name: str = "relay"
    patience_s: float | None = None  # without any sender for this long, `wait` raises PeerLost
    ends_with_stream: bool = False


class _Tally:
    """What a relay sent; see `wire.outlet.Tally`."""

    def __init__(self) -> None:
        self.malformed = self.refused = self.send_failures = 0
        self.packet_bytes = self.wire_bytes = 0
        self.rate = Rate()
        self.events = EventLog()

    def refused_some(self, count: int, now_us: int) -> None:
        """Handshakes were refused."""
        self.refused += count
        if count:
            self.events.handshakes_refused(now_us, self.refused)

    def sent(self, message_bytes: int, *, encrypted: bool, now_us: int) -> None:
        """A message of any kind went out."""
        self.wire_bytes += wire_bytes(message_bytes, encrypted=encrypted)

    def packet_sent(self, packet_bytes: int, now_us: int) -> None:
        """All messages of a packet went out to one receiver."""
        self.packet_bytes += packet_bytes
        self.rate.add(packet_bytes, now_us)


class Relay:
    """Relays streams for as long as it lives, through restarts of their senders.

    Errors: ConfigError when an address cannot be used, at `start`; what broke a thread, or
    PeerLost, is raised by `wait`.
    """

    def __init__(self, config: RelayConfig, *, clock_us: Callable[[], int] = now_us) -> None:
        self._config = config
        self._now_us = clock_us
        self._started_us = clock_us()
        self._lock = threading.Lock()
        self._crew = Crew()
        self._down = Port(config.downstream)
        boot = boot_id()
        self._lines = tuple(
            FeedLine(
                feed,
                Profile(b"", b"", feed.stream, config.name, secrets.randbits(64), boot),
                Fanout(boot_id=boot, name_of=self._down.name_of, stream=feed.stream),
                lock=self._lock,
                stopping=self._crew.stopping,
                clock_us=clock_us,
            )
            for feed in config.feeds
        )
        self._board = Board([line.core.fanout for line in self._lines])
        self._tally = _Tally()
        self._outlet = Outlet(
            self._down,
            self._board,
            tally=self._tally,
            connects=False,
            lock=self._lock,
            clock_us=clock_us,
        )
        for line in self._lines:
            line.outlet = self._outlet

    @property
    def url(self) -> str:
        """The address for receivers; after binding to port 0, with the real port."""
        return self._down.url

    @property
    def ended(self) -> bool:
        """True when all streams have ended and no new one has begun."""
        return all(line.core.ended for line in self._lines)

    def start(self) -> None:
        """Open the sockets and start the threads; returns at once."""
        try:
            for line in self._lines:
                line.inlet.open()
            self._down.open()
        except BaseException:
            self._close()
            raise
        for line in self._lines:
            self._crew.start("upstream", line.run)
        self._crew.start("downstream", self._downstream)

    def stop(self) -> None:
        """Say BYE to both sides, stop the threads, close the sockets."""
        self._crew.stopping.set()
        for line in self._lines:
            line.inlet.wake()
        self._down.wake()
        self._crew.join()
        self._close()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the time is over; raises what broke a thread, or PeerLost."""
        self._crew.wait(seconds, over=self._is_over)

    def snapshot(self) -> RelaySnapshot:
        """All statistics as of now, immutable."""
        with self._lock:
            now, board, tally = self._now_us(), self._board, self._tally
            cores = [line.core for line in self._lines]
            events = [event for line in self._lines for event in line.recent_events()]
            events += (*board.recent_events(), *tally.events.snapshot())
            gate = watched_gate(self._config.downstream)
            events += gate.recent_events() if gate else ()
            return RelaySnapshot(
                at_us=now,
                uptime_us=now - self._started_us,
                endpoint=self._down.url,
                feeds=tuple(line.core.snapshot(now, url=line.inlet.url) for line in self._lines),
                bytes_sent=tally.packet_bytes,
                wire_bytes_sent=tally.wire_bytes,
                kbps_sent=tally.rate.per_second(now) * 8 / 1000,
                keyframe_requests=board.keyframe_requests,
                hostile_messages=board.hostile
                + tally.malformed
                + sum(core.intake.hostile + core.malformed for core in cores),
                flooded_messages=board.flooded,
                stale_messages=board.stale + sum(core.intake.stale for core in cores),
                refused_connections=tally.refused,
                send_failures=tally.send_failures,
                peers_lost=board.peers_lost,
                keys_trouble=gate.trouble if gate else "",
                events=tuple(sorted(events, key=lambda event: event.at_us)),
            )

    def _is_over(self) -> bool:
        patience_s = self._config.patience_s
        alone_s = (self._now_us() - max(line.core.heard_us for line in self._lines)) / 1e6
        if patience_s is not None and alone_s > patience_s:
            where = ", ".join(line.inlet.url for line in self._lines)
            raise PeerLost(f"no sender at {where} for {alone_s:.0f} s: is it running?")
        return self.ended and self._config.ends_with_stream

    def _downstream(self) -> None:
        while not self._crew.stopping.is_set():
            if self._outlet.turn(_POLL_MS):
                for line in self._lines:
                    line.request_keyframe()
        self._outlet.say_farewell(m.ByeCode.LEAVING, "the relay stops")

    def _close(self) -> None:
        for line in self._lines:
            line.inlet.close()
        self._down.close()
