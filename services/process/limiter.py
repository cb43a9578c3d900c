# SPDX-License-Identifier: Apache-2.0
"""Lets some items of each name through and counts the rest: no flood fills a log; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

BURST = 10  # of one name at once
REFILL_US = 6_000_000  # and one more each so often: a flood is ten lines a minute
T = TypeVar("T")


@dataclass(slots=True)
class _Bucket(Generic[T]):
    """What one name may still say, and what it could not."""

    tokens: float
    filled_us: int
    left_out: int = 0
    last: T | None = None  # of those left out


class Limiter(Generic[T]):
    """At most `burst` items of a name at once, and one more every `refill_us`; pure.

    The last of those left out is told later, with how many more there were.
    """

    def __init__(self, *, burst: int = BURST, refill_us: int = REFILL_US) -> None:
        self._burst = burst
        self._refill_us = refill_us
        self._buckets: dict[str, _Bucket[T]] = {}

    def admits(self, name: str, item: T, now_us: int) -> tuple[bool, int]:
        """Whether this item may be told, and how many were left out before it."""
        bucket = self._filled(name, now_us)
        if bucket.tokens < 1:
            bucket.left_out += 1
            bucket.last = item
            return False, 0
        return True, self._spend(bucket)

    def overdue(self, now_us: int) -> list[tuple[T, int]]:
        """Of each name that was silenced and may speak again: its last item, and how many before
        that were left out."""
        found: list[tuple[T, int]] = []
        for name in self._buckets:
            bucket = self._filled(name, now_us)
            if bucket.last is not None and bucket.tokens >= 1:
                item = bucket.last
                found.append((item, self._spend(bucket) - 1))
        return found

    def _spend(self, bucket: _Bucket[T]) -> int:
        left_out, bucket.left_out, bucket.last = bucket.left_out, 0, None
        bucket.tokens -= 1
        return left_out

    def _filled(self, name: str, now_us: int) -> _Bucket[T]:
        bucket = self._buckets.setdefault(name, _Bucket(float(self._burst), now_us))
        gained = max(0, now_us - bucket.filled_us) / self._refill_us
        bucket.tokens = min(float(self._burst), bucket.tokens + gained)
        bucket.filled_us = max(bucket.filled_us, now_us)
        return bucket
