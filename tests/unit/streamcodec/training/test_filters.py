# SPDX-License-Identifier: Apache-2.0
"""The loop filter's fit finds the weights by which the original was made."""

from __future__ import annotations

import numpy as np

from streamcodec import _core
from streamcodec.blocks import loopfilter
from streamcodec.training.filters import Equations
from tests.reference import loopfilter as reference

_STEP_Q3 = 8 * 60  # so coarse that no difference is clipped


def test_a_known_filter_is_found_again_and_bands_beside_it_borrow_it() -> None:
    rng = np.random.default_rng(0)
    plain = rng.integers(100, 150, (64, 64), np.uint8)
    wanted = np.zeros((loopfilter.CLASSES, loopfilter.PAIRS), np.int16)
    wanted[:, 0] = 40
    wanted[:, 3] = -20
    counts = np.ones((4, 4), np.uint8)
    modes = np.zeros((4, 4), np.uint8)
    original = reference.filtered(plain, counts, modes, _STEP_Q3, wanted)
    equations = Equations()
    _core.filter_accumulate(
        plain,
        original,
        counts,
        modes,
        _STEP_Q3,
        equations.squares[1, 3, 0],
        equations.products[1, 3, 0],
    )
    found = equations.solve()
    seen = equations.products[1, 3, 0].any(axis=1)
    assert seen.any()
    assert np.abs(found[1, 3, 0, seen] - wanted[seen]).max() <= 4
    assert np.array_equal(found[1, 2, 0], found[1, 3, 0])
    assert not found[0].any()
    assert not found[1, :, 1].any()
