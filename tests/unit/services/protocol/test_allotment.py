# SPDX-License-Identifier: Apache-2.0
"""Keyframes that all get are few, whoever asks."""

from __future__ import annotations

from services.protocol.allotment import Allotment
from services.rate.bucket import TokenRate

SECOND_US = 1_000_000
A, B = b"a", b"b"


def made(allotment: Allotment, askers: list[bytes], *, seconds: int) -> int:
    """How many keyframes come of asking ten times a second."""
    count = 0
    for tick in range(10 * seconds):
        now_us = 5_000_000 + tick * 100_000
        asking = [asker for asker in askers if allotment.allows(asker, now_us)]
        if asking:
            allotment.took(asking[:1], now_us)
            count += 1
    return count


def test_one_that_asks_and_asks_gets_its_stock_and_then_one_in_five_seconds() -> None:
    assert 7 <= made(Allotment(), [A], seconds=30) <= 8  # 2 + 30 / 5


def test_many_that_ask_share_what_there_is_for_all() -> None:
    crowd = [b"%d" % number for number in range(50)]
    assert 11 <= made(Allotment(), crowd, seconds=30) <= 13  # 3 + 30 / 3


def test_requests_within_a_second_share_one() -> None:
    allotment = Allotment()
    assert allotment.allows(A, 0)
    allotment.took([A], 0)
    assert not allotment.allows(B, 999_999)
    assert allotment.will_allow(B, 999_999)
    assert allotment.allows(B, 1_000_000)


def test_what_one_used_up_another_still_has() -> None:
    allotment = Allotment(of_all=TokenRate(100, SECOND_US), of_one=TokenRate(1, 100 * SECOND_US))
    allotment.took([A], 0)
    assert not allotment.will_allow(A, 2 * SECOND_US)
    assert allotment.will_allow(B, 2 * SECOND_US)
