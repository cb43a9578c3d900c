# SPDX-License-Identifier: Apache-2.0
"""A machine too slow for the wanted size gets smaller frames, and larger ones when it has time."""

from __future__ import annotations

from services.cpu import BUSY_SHARE, CpuGovernor

FRAME_US = 33_333


def run(governor: CpuGovernor, *, base_us: int, us_per_byte: float, frames: int = 200) -> float:
    """Encode frames that always use what they may; returns what the last took, in periods."""
    spent_us = 0
    for _ in range(frames):
        spent_us = round(base_us + us_per_byte * governor.cap_bytes)
        governor.encoded(encode_us=spent_us, size_bytes=governor.cap_bytes)
    return spent_us / FRAME_US


def governor() -> CpuGovernor:
    return CpuGovernor(frame_interval_us=FRAME_US, least_bytes=2_000, most_bytes=60_000)


def test_frames_shrink_until_they_fit_their_period() -> None:
    slow = governor()
    assert run(slow, base_us=20_000, us_per_byte=1.0) <= BUSY_SHARE + 0.05
    assert slow.cap_bytes > 4_000


def test_a_fast_machine_is_not_held_back() -> None:
    fast = governor()
    run(fast, base_us=5_000, us_per_byte=0.1)
    assert fast.cap_bytes == 60_000


def test_the_size_grows_back_when_the_machine_is_free_again() -> None:
    governed = governor()
    run(governed, base_us=30_000, us_per_byte=1.0)
    assert governed.cap_bytes <= 2_500
    run(governed, base_us=8_000, us_per_byte=0.1)
    assert governed.cap_bytes == 60_000


def test_below_the_least_size_frames_are_skipped_instead() -> None:
    hopeless = governor()
    run(hopeless, base_us=80_000, us_per_byte=1.0)
    assert hopeless.cap_bytes == 2_000
