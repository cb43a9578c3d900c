# SPDX-License-Identifier: Apache-2.0
"""The rows of contexts: no two families share one, and means have the right type."""

from __future__ import annotations

import numpy as np

from streamcodec import contexts
from tests.reference import families as cx
from tests.reference import mixing


def test_families_follow_each_other_and_fill_the_rows() -> None:
    starts = cx.BASE.ravel()
    sizes = cx.SIZES.ravel()
    assert starts[0] == cx.TOP + 8
    assert np.array_equal(starts[1:], starts[:-1] + sizes[:-1])
    assert starts[-1] + sizes[-1] == cx.CONTEXTS
    assert all(count % mixing.INPUTS == 0 for *_, count in cx.SIZES)


def test_a_mean_of_equal_contexts_is_themselves() -> None:
    held = contexts.fresh()
    weights_at = int(cx.BASE[cx.SKIP, 3])
    held[weights_at] = 0x8123, 0x4567
    held[cx.MODE] = 700, 700
    assert np.array_equal(contexts.mean([held, held.copy()]), held)


def test_a_mean_keeps_the_slow_estimate_and_both_halves_of_a_weight() -> None:
    first, second = contexts.fresh(), contexts.fresh()
    weights_at = int(cx.BASE[cx.SIGN, 3])
    first[weights_at] = 0x8000, 0xFFFF
    second[weights_at] = 0x8001, 0x0001
    first[cx.TOP] = 9000, 1000
    second[cx.TOP] = 100, 3000
    mean = contexts.mean([first, second])
    assert tuple(mean[weights_at]) == (0x8001, 0x0000)
    assert tuple(mean[cx.TOP]) == (2000, 2000)
