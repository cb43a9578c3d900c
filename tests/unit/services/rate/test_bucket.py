# SPDX-License-Identifier: Apache-2.0
"""A token bucket gives a burst at once and then one token after the other."""

from __future__ import annotations

from services.rate.bucket import TokenBucket, TokenRate


def taken(bucket: TokenBucket, now_us: int) -> int:
    """How many tokens there are at that time."""
    count = 0
    while bucket.has_token(now_us):
        bucket.take()
        count += 1
    return count


def test_the_burst_comes_at_once_and_then_one_each_refill() -> None:
    bucket = TokenBucket(TokenRate(3, 1_000), now_us=0)
    assert taken(bucket, 0) == 3
    assert [taken(bucket, at_us) for at_us in (999, 1_000, 3_500, 4_000)] == [0, 1, 2, 1]


def test_no_more_is_saved_up_than_the_burst() -> None:
    bucket = TokenBucket(TokenRate(3, 1_000), now_us=0)
    taken(bucket, 0)
    assert taken(bucket, 1_000_000) == 3


def test_taking_from_an_empty_bucket_and_time_that_runs_back_change_nothing() -> None:
    bucket = TokenBucket(TokenRate(1, 1_000), now_us=5_000)
    taken(bucket, 5_000)
    bucket.take()
    assert taken(bucket, 0) == 0
    assert taken(bucket, 6_000) == 1
