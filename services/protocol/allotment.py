# SPDX-License-Identifier: Apache-2.0
"""Rate limit of keyframes on request, for each asker and for all together; pure.

A keyframe that all get takes the time of several frames on each link, so the request of one costs
the others. Each asker (a key, or a connection where there are no keys) has a token bucket, and so
have all askers together.
"""

from __future__ import annotations

from collections import OrderedDict

from services.rate.bucket import TokenBucket, TokenRate

SPACING_US = 1_000_000  # requests within this time share one keyframe
_MAX_ASKERS = 1024


OF_ALL = TokenRate(3, 3_000_000)
OF_ONE = TokenRate(2, 5_000_000)


class Allotment:
    """Grants keyframes. `allows` only looks; `took` spends, once a keyframe was made."""

    def __init__(self, *, of_all: TokenRate = OF_ALL, of_one: TokenRate = OF_ONE) -> None:
        self._of_one = of_one
        self._of_all = of_all
        self._all: TokenBucket | None = None
        self._askers: OrderedDict[bytes, TokenBucket] = OrderedDict()
        self._last_us: int | None = None

    def allows(self, asker: bytes, now_us: int) -> bool:
        """True when a keyframe for all may be made now because this one asks."""
        if self._last_us is not None and now_us - self._last_us < SPACING_US:
            return False
        return self.will_allow(asker, now_us)

    def will_allow(self, asker: bytes, now_us: int) -> bool:
        """True when that is so in a moment, if not now."""
        return self._together(now_us).has_token(now_us) and self._alone(asker, now_us).has_token(
            now_us
        )

    def took(self, askers: list[bytes], now_us: int) -> None:
        """A keyframe was made because these asked."""
        self._last_us = now_us
        self._together(now_us).take()
        for asker in askers:
            self._alone(asker, now_us).take()

    def _together(self, now_us: int) -> TokenBucket:
        if self._all is None:
            self._all = TokenBucket(self._of_all, now_us)
        return self._all

    def _alone(self, asker: bytes, now_us: int) -> TokenBucket:
        if asker not in self._askers:
            self._askers[asker] = TokenBucket(self._of_one, now_us)
            while len(self._askers) > _MAX_ASKERS:
                self._askers.popitem(last=False)
        self._askers.move_to_end(asker)
        return self._askers[asker]
