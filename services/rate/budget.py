# SPDX-License-Identifier: Apache-2.0
"""What any rate control is told and asked: arrivals in, what the next frame may weigh out; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

# Budget.reason, from least to most restricted; the statistics show it.
UNLIMITED = "none"  # the cap of the stream binds, not the link
BANDWIDTH = "bandwidth"  # the link's rate binds
BACKLOG = "backlog"  # bytes under way bind: the link slowed down or we sent too much
STARTUP = "startup"  # nothing acknowledged yet
KEEPALIVE = "keepalive"  # a minimal frame, so that the link's state stays known
UNACKNOWLEDGED = "unacknowledged"  # no acknowledgement for so long that the link counts as stalled


@dataclass(frozen=True, slots=True)
class Ack:
    """One frame's arrival, stamped on the receiver's clock straight after head and tail came in."""

    frame_id: int
    size_bytes: int
    head_us: int
    tail_us: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What the next frame may weigh. `size_bytes` None means: skip this frame before encoding."""

    size_bytes: int | None
    reason: str


class Congestion(Protocol):
    """Rate control of one receiver, see `services.rate.congestion.CongestionController`."""

    @property
    def capacity_bps(self) -> int: ...
    @property
    def queue_us(self) -> int: ...
    @property
    def min_rtt_us(self) -> int | None: ...

    def on_sent(self, frame_id: int, size_bytes: int, now_us: int) -> None: ...
    def on_ack(self, ack: Ack, now_us: int) -> None: ...
    def on_reset(self, now_us: int) -> None: ...
    def budget(self, now_us: int, *, encode_us: int, floor_bytes: int | None = None) -> Budget: ...
