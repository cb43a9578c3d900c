# SPDX-License-Identifier: Apache-2.0
"""A machine too slow for the wanted quality gets coarser frames, and finer ones in time."""

from __future__ import annotations

from services.cpu import BUSY_SHARE, LEAST_QUALITY, CpuGovernor

FRAME_US = 33_333
FINEST = 48


def run(governor: CpuGovernor, *, base_us: int, us_per_index: int, frames: int = 300) -> float:
    """Encode frames as fine as they may be; returns what the last took, in periods."""
    spent_us = 0
    for _ in range(frames):
        spent_us = base_us + us_per_index * governor.ceiling
        governor.encoded(encode_us=spent_us, quality=governor.ceiling)
    return spent_us / FRAME_US


def governor() -> CpuGovernor:
    return CpuGovernor(frame_interval_us=FRAME_US, finest=FINEST)


def test_frames_get_coarser_until_they_fit_their_period() -> None:
    slow = governor()
    assert run(slow, base_us=10_000, us_per_index=600) <= BUSY_SHARE + 0.05
    assert LEAST_QUALITY < slow.ceiling < FINEST


def test_a_fast_machine_is_not_held_back() -> None:
    fast = governor()
    run(fast, base_us=5_000, us_per_index=100)
    assert fast.ceiling == FINEST


def test_quality_grows_back_when_the_machine_is_free_again() -> None:
    governed = governor()
    run(governed, base_us=30_000, us_per_index=600)
    assert governed.ceiling == LEAST_QUALITY
    run(governed, base_us=8_000, us_per_index=100)
    assert governed.ceiling == FINEST


def test_below_the_least_quality_frames_are_skipped_instead() -> None:
    hopeless = governor()
    run(hopeless, base_us=80_000, us_per_index=600)
    assert hopeless.ceiling == LEAST_QUALITY
