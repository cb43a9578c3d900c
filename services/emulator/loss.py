# SPDX-License-Identifier: Apache-2.0
"""Which packets a link loses: none, independently, or in bursts (Gilbert-Elliott). Pure, seeded."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class NoLoss:
    """Every packet passes."""


@dataclass(frozen=True, slots=True)
class IndependentLoss:
    """Each packet is lost with probability `p`."""

    p: float


@dataclass(frozen=True, slots=True)
class BurstLoss:
    """Gilbert-Elliott: `p` good to bad, `r` bad to good, per packet; a packet passes with
    probability `k` in the good state and `h` in the bad one."""

    p: float
    r: float
    h: float = 0.0
    k: float = 1.0


Loss: TypeAlias = NoLoss | IndependentLoss | BurstLoss


class LossProcess(Protocol):
    """Decides packet by packet; called once for every packet offered, whatever becomes of it."""

    def draw(self) -> bool:
        """True when this packet is lost."""
        ...


def loss_process(loss: Loss, random: Random) -> LossProcess:
    """The running form of a description; `random` belongs to it alone."""
    if isinstance(loss, BurstLoss):
        return _Burst(loss, random)
    return _Independent(loss.p if isinstance(loss, IndependentLoss) else 0.0, random)


class _Independent:
    def __init__(self, p: float, random: Random) -> None:
        self._p = p
        self._random = random

    def draw(self) -> bool:
        return self._random.random() < self._p


class _Burst:
    def __init__(self, loss: BurstLoss, random: Random) -> None:
        self._loss = loss
        self._random = random
        self._bad = False

    def draw(self) -> bool:
        # Two draws in every state: the pattern of one setting never shifts that of another.
        move, fate = self._random.random(), self._random.random()
        if self._bad:
            self._bad = move >= self._loss.r
        else:
            self._bad = move < self._loss.p
        return fate >= (self._loss.h if self._bad else self._loss.k)
