# SPDX-License-Identifier: Apache-2.0
"""The second connection: when it is tried, dropped and taken."""

from __future__ import annotations

from services.protocol.standby import GRACE_US, OPEN_US, Move, Standby


def opened() -> Standby:
    standby = Standby()
    assert standby.tick(5_000_000, silent_us=OPEN_US + 1) is Move.OPEN
    return standby


def test_it_is_tried_once_the_first_is_silent() -> None:
    standby = Standby()
    assert standby.tick(0, silent_us=OPEN_US) is None
    assert standby.tick(0, silent_us=OPEN_US + 1) is Move.OPEN
    assert standby.tick(50_000, silent_us=OPEN_US + 50_001) is None


def test_it_is_taken_when_it_stands_and_the_first_stays_silent() -> None:
    standby = opened()
    standby.connected(9_000_000)
    assert standby.tick(9_000_000 + GRACE_US - 1, silent_us=6_000_000) is None
    assert standby.tick(9_000_000 + GRACE_US, silent_us=6_000_000) is Move.TAKE
    assert standby.tick(9_200_000, silent_us=0) is None


def test_it_is_dropped_when_the_first_speaks_and_may_be_tried_again() -> None:
    standby = opened()
    assert standby.heard() is Move.DROP
    assert standby.heard() is None
    standby.connected(9_000_000)  # too late
    assert standby.tick(9_500_000, silent_us=0) is None
    assert standby.tick(9_500_000, silent_us=OPEN_US + 1) is Move.OPEN


def test_giving_the_first_up_drops_it() -> None:
    assert Standby().ended() is None
    assert opened().ended() is Move.DROP
