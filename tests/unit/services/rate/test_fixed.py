# SPDX-License-Identifier: Apache-2.0
"""A fixed rate is met over time, keyframes included."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.rate.fixed import FixedRate

FRAME_US = 33_333


@given(
    st.integers(20_000, 20_000_000),
    st.lists(st.booleans(), min_size=300, max_size=300),
    st.integers(40, 120),
)
def test_the_rate_is_kept_whatever_is_skipped_and_refreshed(
    bits_per_s: int, used: list[bool], keyframe_every: int
) -> None:
    rate, sent = FixedRate(bits_per_s=bits_per_s, frame_interval_us=FRAME_US), 0
    for index, taken in enumerate(used):
        if taken:
            keyframe = index % keyframe_every == 0
            size = rate.budget_bytes(index * FRAME_US, keyframe=keyframe)
            rate.spend(size)
            sent += size
    period = bits_per_s / 8e6 * FRAME_US
    assert sent <= (len(used) + 8) * period + len(used)


def test_a_keyframe_may_borrow_and_is_paid_off() -> None:
    rate = FixedRate(bits_per_s=800_000, frame_interval_us=10_000)  # 1000 bytes a frame
    key = rate.budget_bytes(0, keyframe=True)
    assert key == 6_000
    rate.spend(key)
    sizes = []
    for index in range(1, 30):
        sizes.append(rate.budget_bytes(index * 10_000, keyframe=False))
        rate.spend(sizes[-1])
    assert min(sizes) == 500
    assert sizes[-1] == 1_000
