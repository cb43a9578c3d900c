# SPDX-License-Identifier: Apache-2.0
"""When a link is of use, judged on capacities written down by hand."""

from __future__ import annotations

from collections.abc import Sequence

from services.emulator.outages import Capacity, Usefulness, fresh_us

LEAST_BPS = 144_000  # 1800 bytes in 100 ms


def link(sizes: Sequence[int]) -> Usefulness:
    pieces = [Capacity(i * 100_000, (i + 1) * 100_000, size) for i, size in enumerate(sizes)]
    return Usefulness(pieces, least_bps=LEAST_BPS)


def test_one_empty_piece_is_no_outage_and_two_are() -> None:
    assert link([9000] * 10 + [0] + [9000] * 10).outages_us == ()
    assert link([9000] * 10 + [0, 0] + [9000] * 10).outages_us == ((1_000_000, 1_200_000),)


def test_a_return_too_short_for_a_fresh_frame_ends_no_outage() -> None:
    short = [9000] * 10 + [0] * 5 + [9000] * 4 + [0] * 5 + [9000] * 10
    long = [9000] * 10 + [0] * 5 + [9000] * 5 + [0] * 5 + [9000] * 10
    assert link(short).outages_us == ((1_000_000, 2_400_000),)
    assert link(long).outages_us == ((1_000_000, 1_500_000), (2_000_000, 2_500_000))


def test_frames_in_an_outage_and_just_after_it_are_not_counted() -> None:
    judged = link([9000] * 20 + [0] * 5 + [9000] * 20)
    outside = [at for at in range(0, 4_500_000, 100_000) if judged.is_outside(at)]
    assert outside == [*range(0, 2_000_000, 100_000), *range(2_900_000, 4_500_000, 100_000)]


def test_a_link_too_thin_for_the_least_rate_is_of_no_use_without_being_an_outage() -> None:
    trickle = [9000] * 20 + [2000, 0] * 16 + [9000] * 20
    judged = link(trickle)
    assert judged.outages_us == ()
    assert not judged.is_outside(3_500_000)
    assert judged.is_outside(500_000)


def test_the_first_fresh_frame_is_counted_from_the_return_of_the_link() -> None:
    shown = [(900_000, 2_100_000), (1_990_000, 2_150_000), (2_010_000, 2_230_000)]
    assert fresh_us((1_000_000, 2_000_000), shown) == 230_000
    assert fresh_us((1_000_000, 2_500_000), shown) is None
