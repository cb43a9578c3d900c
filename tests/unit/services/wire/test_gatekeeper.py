# SPDX-License-Identifier: Apache-2.0
"""After a cut newcomers come in one by one, and only to a port that knows of them."""

from __future__ import annotations

import asyncio

import pytest

from services.wire import gatekeeper
from services.wire.gatekeeper import Entrance


class Door:
    """An entrance whose port turns `turns` times for each time that it is woken."""

    def __init__(self, *, turns: int = 1, full_wakes: int = 0) -> None:
        self.wakes = 0
        self._turns = turns
        self._full_wakes = full_wakes
        self.entrance = Entrance(is_full=lambda: self.wakes < self._full_wakes, wake=self._wake)

    def _wake(self) -> None:
        self.wakes += 1
        for _ in range(self._turns):
            self.entrance.turned()

    def asks(self, *, at_once: bool = False) -> bool:
        return asyncio.run(self.entrance.wait(at_once=at_once))


def test_while_nobody_was_cut_everybody_comes_in_at_once() -> None:
    door = Door(turns=0)
    assert [door.asks() for _ in range(3)] == [True] * 3
    assert door.asks(at_once=True)
    assert door.wakes == 0


def test_after_a_cut_the_port_has_turned_twice_before_a_newcomer_comes_in() -> None:
    door = Door()
    door.entrance.has_cut()
    assert door.asks()
    assert door.wakes == 2


def test_while_others_left_too_much_a_newcomer_waits() -> None:
    door = Door(full_wakes=7)
    door.entrance.has_cut()
    assert door.asks()
    assert door.wakes == 7


def test_a_port_that_does_not_turn_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gatekeeper, "_PATIENCE_S", 0.0)
    door = Door(turns=0)
    door.entrance.has_cut()
    assert not door.asks()


def test_a_closed_port_lets_nobody_in() -> None:
    door = Door()
    door.entrance.close()
    assert not door.asks()
    door.entrance.has_cut()
    assert not door.asks()


def test_with_curve_nobody_waits_and_one_comes_in_for_two_turns() -> None:
    door = Door()
    door.entrance.has_cut()
    found = []
    for _ in range(5):
        found.append(door.asks(at_once=True))
        door.entrance.turned()
    assert found == [True, False, True, False, True]
    assert door.wakes == 0
    full = Door(full_wakes=1)
    full.entrance.has_cut()
    assert not full.asks(at_once=True)
