# SPDX-License-Identifier: Apache-2.0
"""One peer cannot say more in a second than any honest one would."""

from __future__ import annotations

from services.protocol.flood import CUT_FACTOR, FloodGate, Hearing


def test_beyond_the_bound_nothing_is_heard_until_the_next_second() -> None:
    gate = FloodGate(10)
    heard = [gate.hear(b"a", 1_000_000) for _ in range(15)]
    assert heard == [Hearing.HEARD] * 10 + [Hearing.IGNORED] * 5
    assert gate.hear(b"b", 1_000_000) is Hearing.HEARD
    assert gate.hear(b"a", 2_000_000) is Hearing.HEARD


def test_a_flood_is_cut_once() -> None:
    gate = FloodGate(10)
    heard = [gate.hear(b"a", 1_000_000) for _ in range(100)]
    assert heard.count(Hearing.CUT) == 1
    assert heard.index(Hearing.CUT) == CUT_FACTOR * 10 - 1


def test_a_flood_that_goes_on_into_the_next_second_is_cut_there() -> None:
    gate = FloodGate(10)
    first = [gate.hear(b"a", 1_000_000) for _ in range(20)]
    second = [gate.hear(b"a", 2_000_000) for _ in range(20)]
    assert (first.count(Hearing.CUT), second.index(Hearing.CUT)) == (0, 10)
    later = [gate.hear(b"a", 9_000_000) for _ in range(20)]
    assert later.count(Hearing.CUT) == 0
