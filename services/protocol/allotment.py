# SPDX-License-Identifier: Apache-2.0
"""How often keyframes are made because somebody asked: for one asker, and for all together; pure.

A keyframe that all get takes the time of several frames on each link, so a request of one costs
the others. Each asker (a key, or a connection where there are no keys) has a small stock of them
that fills slowly, and so have all askers together.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

SPACING_US = 1_000_000  # requests within this time share one keyframe
_MAX_ASKERS = 1024


@dataclass(frozen=True, slots=True)
class Stock:
    """So many at once, and one more each `refill_us`."""

    most: int
    refill_us: int


OF_ALL = Stock(3, 3_000_000)
OF_ONE = Stock(2, 5_000_000)


class _Filling:
    def __init__(self, stock: Stock, now_us: int) -> None:
        self._stock = stock
        self._level = float(stock.most)
        self._at_us = now_us

    def left(self, now_us: int) -> bool:
        grown = self._level + (now_us - self._at_us) / self._stock.refill_us
        self._level, self._at_us = min(float(self._stock.most), grown), now_us
        return self._level >= 1

    def take(self) -> None:
        self._level = max(0.0, self._level - 1)


class Allotment:
    """Grants keyframes. `allows` asks only; `took` says that one was made for these askers."""

    def __init__(self, *, of_all: Stock = OF_ALL, of_one: Stock = OF_ONE) -> None:
        self._of_one = of_one
        self._all_stock = of_all
        self._all: _Filling | None = None
        self._askers: OrderedDict[bytes, _Filling] = OrderedDict()
        self._last_us: int | None = None

    def allows(self, asker: bytes, now_us: int) -> bool:
        """True when a keyframe for all may be made now because this one asks."""
        if self._last_us is not None and now_us - self._last_us < SPACING_US:
            return False
        return self.will_allow(asker, now_us)

    def will_allow(self, asker: bytes, now_us: int) -> bool:
        """True when that is so in a moment, if not now."""
        return self._together(now_us).left(now_us) and self._alone(asker, now_us).left(now_us)

    def took(self, askers: list[bytes], now_us: int) -> None:
        """A keyframe was made because these asked."""
        self._last_us = now_us
        self._together(now_us).take()
        for asker in askers:
            self._alone(asker, now_us).take()

    def _together(self, now_us: int) -> _Filling:
        if self._all is None:
            self._all = _Filling(self._all_stock, now_us)
        return self._all

    def _alone(self, asker: bytes, now_us: int) -> _Filling:
        if asker not in self._askers:
            self._askers[asker] = _Filling(self._of_one, now_us)
            while len(self._askers) > _MAX_ASKERS:
                self._askers.popitem(last=False)
        self._askers.move_to_end(asker)
        return self._askers[asker]
