# SPDX-License-Identifier: Apache-2.0
"""A token bucket; pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenRate:
    """So many tokens at once, and one more each `refill_us`."""

    burst: int
    refill_us: int


class TokenBucket:
    """Full at first. An earlier `now_us` than before adds nothing."""

    def __init__(self, rate: TokenRate, now_us: int) -> None:
        self._rate = rate
        self._tokens = float(rate.burst)
        self._filled_us = now_us

    def has_token(self, now_us: int) -> bool:
        """Whether there is one."""
        gained = max(0, now_us - self._filled_us) / self._rate.refill_us
        self._tokens = min(float(self._rate.burst), self._tokens + gained)
        self._filled_us = max(self._filled_us, now_us)
        return self._tokens >= 1

    def take(self) -> None:
        """Take one; nothing where there is none."""
        self._tokens = max(0.0, self._tokens - 1)
