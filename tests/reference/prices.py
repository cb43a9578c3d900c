# SPDX-License-Identifier: Apache-2.0
"""The plain twin of the core's prices of side information, for an encoder's decisions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference import binary, families, mixing
from tests.reference import contexts as contexts_of

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
U16 = npt.NDArray[np.uint16]


def skip_prices_q8(
    contexts: U16, scratch: I32, skips: U8, reference_counts: U8, row: int, column: int, trend: int
) -> tuple[int, int]:
    """Prices in 1/256 bit of a block that is no skip, and of a skip."""
    weights = contexts_of.by_skip(scratch, skips, reference_counts, row, column, trend)
    no = mixing.cost_q8(contexts, weights, scratch, 0)
    return no, mixing.cost_q8(contexts, weights, scratch, 1)


def which_prices(
    contexts: U16,
    scratch: I32,
    candidate_index: U8,
    field: I16,
    reference_field: I16,
    candidates: I32,
    row: int,
    column: int,
    blocks: int,
    candidate_count: int,
    skip: int,
    prices: I32,
) -> None:
    """Fill prices[:candidate_count] with the price in 1/16 bit of each candidate."""
    prices[:] = 0
    if candidate_count < 2:
        return
    weights = contexts_of.by_which(
        scratch,
        candidate_index,
        field,
        reference_field,
        candidates,
        row,
        column,
        blocks,
        candidate_count,
        skip,
    )
    prices[0] = mixing.cost_q8(contexts, weights, scratch, 0) >> 4
    prices[1] = mixing.cost_q8(contexts, weights, scratch, 1) >> 4
    if candidate_count > 2:
        weights = contexts_of.by_which_second(
            scratch, candidate_index, field, reference_field, candidates, row, column, blocks
        )
        prices[2] = prices[1] + (mixing.cost_q8(contexts, weights, scratch, 1) >> 4)
        prices[1] += mixing.cost_q8(contexts, weights, scratch, 0) >> 4


def count_prices(
    contexts: U16,
    scratch: I32,
    counts: U8,
    reference_counts: U8,
    row: int,
    column: int,
    kind: int,
    trend: int,
    prices: I32,
) -> None:
    """Fill prices[0..4] with the price in 1/256 bit of each count of a block.

    A block with a candidate's vector that is no skip has at least one group, which is not coded.
    """
    first = 1 if kind == families.TAKEN else 0
    prices[:] = 0
    for k in range(first, 4):
        weights = contexts_of.by_count(
            scratch, counts, reference_counts, row, column, kind, k, trend
        )
        prices[k] += mixing.cost_q8(contexts, weights, scratch, 0)
        more = mixing.cost_q8(contexts, weights, scratch, 1)
        for count in range(k + 1, 5):
            prices[count] += more


def vector_prices(contexts: U16) -> I32:
    """(2, 1024) price in 1/256 bit of each magnitude of a whole block's vector difference."""
    prices = np.zeros((2, 1024), np.int32)
    for component in range(2):
        first = families.BASE[families.VECTOR, 0] + families.LENGTHS * component
        prices[component, 0] = binary.cost_q8(contexts, first, 0)
        spent = binary.cost_q8(contexts, first, 1) + 256
        prefix = 0
        while (1 << prefix) < 1024:
            stop = binary.cost_q8(contexts, first + 1 + min(prefix, families.PREFIX_CONTEXTS), 0)
            for value in range(1 << prefix, min(2 << prefix, 1024)):
                prices[component, value] = spent + stop + 256 * prefix
            spent += binary.cost_q8(contexts, first + 1 + min(prefix, families.PREFIX_CONTEXTS), 1)
            prefix += 1
    return prices
