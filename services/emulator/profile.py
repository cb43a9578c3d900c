# SPDX-License-Identifier: Apache-2.0
"""What a link is like, as values: rate, delay, jitter, loss, queue, outages of each direction."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from services.emulator.loss import Loss, NoLoss
from services.emulator.queue import QueueLimits
from services.emulator.service import Rate, StepRate


class JitterKind(Enum):
    """Distribution of the delay added to each packet."""

    UNIFORM = "uniform"  # 0 to the amount
    NORMAL = "normal"  # one-sided, the amount is its deviation, cut at four of them


@dataclass(frozen=True, slots=True)
class Jitter:
    """Delay added to each packet; packets keep their order unless `reorder`."""

    amount_us: int = 0
    kind: JitterKind = JitterKind.UNIFORM
    reorder: bool = False


class OutageKind(Enum):
    """What becomes of packets during an outage."""

    HOLD = "hold"  # they wait and are served afterwards
    DROP = "drop"  # they are lost


@dataclass(frozen=True, slots=True)
class Outage:
    """A span during which nothing is served, or everything that arrives is lost."""

    at_us: int
    for_us: int
    kind: OutageKind = OutageKind.HOLD

    @property
    def end_us(self) -> int:
        return self.at_us + self.for_us


@dataclass(frozen=True, slots=True)
class Direction:
    """One way of a link."""

    rate: Rate
    queue: QueueLimits
    delay_us: int = 0
    jitter: Jitter = field(default_factory=Jitter)
    loss: Loss = field(default_factory=NoLoss)
    outages: tuple[Outage, ...] = ()
    mtu_bytes: int = 1500


DEFAULT_RETURN_BPS = 100_000_000
DEFAULT_RETURN_QUEUE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Profile:
    """A path: `up` carries frames from sender to receiver, `down` the way back."""

    name: str
    up: Direction
    down: Direction
    seed: int = 1

    @property
    def base_rtt_us(self) -> int:
        return self.up.delay_us + self.down.delay_us


def default_return(delay_us: int) -> Direction:
    """The way back where a profile does not describe one: wide, lossless, equally long."""
    return Direction(
        rate=StepRate(((0, DEFAULT_RETURN_BPS),)),
        queue=QueueLimits(DEFAULT_RETURN_QUEUE_BYTES),
        delay_us=delay_us,
    )


def constant(
    bps: int, *, delay_us: int = 20_000, queue_bytes: int = 60_000, name: str = "constant"
) -> Profile:
    """A plain link of one rate, for tests and examples."""
    up = Direction(rate=StepRate(((0, bps),)), queue=QueueLimits(queue_bytes), delay_us=delay_us)
    return Profile(name=name, up=up, down=default_return(delay_us))
