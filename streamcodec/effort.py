# SPDX-License-Identifier: Apache-2.0
"""How hard an encoder tries: time against bits at equal quality. Decoders do not notice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Effort(StrEnum):
    """Names that a person gives; `normal` is what all published tables were made with."""

    FAST = "fast"
    NORMAL = "normal"
    BEST = "best"


@dataclass(frozen=True, slots=True)
class Trying:
    """What an effort means.

    `search` names the motion search's effort (core/motion/params.hpp). `prices_asked` says whether
    symbols are chosen by what the prior will say of them (a pass of its own), or by what it said of
    the reference; `more_rounds` how often they are chosen again by what it said of those before.
    `network_asked` says whether an encoder network, where the model has one, adds to the source.
    Finer transforms are tried from `apart_from` estimated bits of a block and `finer_from` of one
    of its quarters on. `budget_filled` asks for the highest quality that fits a budget and more of
    it still; without, the first that fits and uses most of it is taken.
    """

    search: str
    prices_asked: bool
    more_rounds: int = 0
    network_asked: bool = True
    apart_from: float = 20
    finer_from: float = 12
    budget_filled: bool = True


TRYING = {
    Effort.FAST: Trying(
        search="fast",
        prices_asked=False,
        network_asked=False,
        apart_from=40,
        finer_from=48,
        budget_filled=False,
    ),
    Effort.NORMAL: Trying(search="normal", prices_asked=True),
    Effort.BEST: Trying(search="best", prices_asked=True, more_rounds=1),
}
