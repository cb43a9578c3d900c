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
class EffortParams:
    """What an effort means.

    search: the effort of the motion search (core/motion/params.hpp).
    prior_pass: symbols are chosen by the prices that the prior gives in a pass of its own; without
        it, by the tables of the reference's symbols.
    extra_rounds: how often symbols are chosen again, by the prices of the round before.
    encoder_network: whether an encoder network, where the model has one, adds to the source.
    split_from_bits, quarter_from_bits: estimated bits of a block, and of a quarter of one, from
        which finer transforms are tried.
    budget_filled: with a budget, find the highest quality that fits and use the rest of the budget;
        without it, the first quality that fits and uses most of the budget is taken.
    """

    search: str
    prior_pass: bool
    extra_rounds: int = 0
    encoder_network: bool = True
    split_from_bits: float = 20
    quarter_from_bits: float = 12
    budget_filled: bool = True


PARAMS = {
    Effort.FAST: EffortParams(
        search="fast",
        prior_pass=False,
        encoder_network=False,
        split_from_bits=40,
        quarter_from_bits=48,
        budget_filled=False,
    ),
    Effort.NORMAL: EffortParams(search="normal", prior_pass=True),
    Effort.BEST: EffortParams(search="best", prior_pass=True, extra_rounds=1),
}
