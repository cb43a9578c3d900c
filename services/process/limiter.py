# SPDX-License-Identifier: Apache-2.0
"""Lets some items of each name through and counts the rest: no flood fills a log; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from services.rate.bucket import TokenBucket, TokenRate

OF_A_NAME = TokenRate(10, 6_000_000)  # a flood is ten lines a minute
T = TypeVar("T")


@dataclass(slots=True)
class _Name(Generic[T]):
    """What one name may still tell, and what was left out."""

    bucket: TokenBucket
    left_out: int = 0
    last: T | None = None  # of those left out


class Limiter(Generic[T]):
    """Lets items of each name through at a rate.

    The last of those left out is told later, with how many more there were.
    """

    def __init__(self, rate: TokenRate = OF_A_NAME) -> None:
        self._rate = rate
        self._names: dict[str, _Name[T]] = {}

    def admits(self, name: str, item: T, now_us: int) -> tuple[bool, int]:
        """Whether this item may be told, and how many were left out before it."""
        found = self._names.setdefault(name, _Name(TokenBucket(self._rate, now_us)))
        if not found.bucket.has_token(now_us):
            found.left_out += 1
            found.last = item
            return False, 0
        return True, self._spend(found)

    def overdue(self, now_us: int) -> list[tuple[T, int]]:
        """Of each name that was silenced and may speak again: its last item, and how many before
        that were left out."""
        found: list[tuple[T, int]] = []
        for name in self._names.values():
            item = name.last
            if item is not None and name.bucket.has_token(now_us):
                found.append((item, self._spend(name) - 1))
        return found

    def _spend(self, name: _Name[T]) -> int:
        left_out, name.left_out, name.last = name.left_out, 0, None
        name.bucket.take()
        return left_out
