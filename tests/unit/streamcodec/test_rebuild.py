# SPDX-License-Identifier: Apache-2.0
"""Overlapped prediction: only where vectors differ, and only mixing what both would predict."""

from __future__ import annotations

import numpy as np

from streamcodec import rebuild
from streamcodec.motion import compensate
from streamcodec.motion import field as fields

Planes = tuple[np.ndarray, np.ndarray, np.ndarray]


def padded(planes: Planes) -> Planes:
    return compensate.pad(planes[0]), compensate.pad(planes[1]), compensate.pad(planes[2])


def predicted(modes: np.ndarray, field: np.ndarray, planes: Planes) -> tuple[Planes, Planes]:
    """Prediction without and with overlap."""
    references = padded(planes)
    plain = tuple(np.zeros_like(plane) for plane in planes)
    rebuild.predict_inter(modes, field, *references, *plain)
    mixed = tuple(plane.copy() for plane in plain)
    rebuild.overlap(modes, field, *references, *mixed)
    return (plain[0], plain[1], plain[2]), (mixed[0], mixed[1], mixed[2])


def noise(seed: int = 0) -> Planes:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 256, (48, 48), np.uint8),
        rng.integers(0, 256, (24, 24), np.uint8),
        rng.integers(0, 256, (24, 24), np.uint8),
    )


def test_one_vector_everywhere_is_left_alone() -> None:
    field = np.full((6, 6, 2), 5, np.int16)
    plain, mixed = predicted(np.zeros((3, 3), np.uint8), field, noise())
    for a, b in zip(plain, mixed, strict=True):
        assert np.array_equal(a, b)


def test_a_flat_picture_stays_flat_whatever_moves() -> None:
    rng = np.random.default_rng(1)
    flat = tuple(np.full_like(plane, 99) for plane in noise())
    field = rng.integers(-40, 40, (6, 6, 2)).astype(np.int16)
    modes = np.full((3, 3), fields.INTER8, np.uint8)
    _, mixed = predicted(modes, field, (flat[0], flat[1], flat[2]))
    assert all((plane == 99).all() for plane in mixed)


def test_samples_stay_between_what_both_vectors_predict_and_intra_blocks_take_no_part() -> None:
    planes = noise(2)
    field = np.zeros((6, 6, 2), np.int16)
    fields.set_block(field, 1, 1, 4, 8)  # whole samples, so that both predictions are copies
    modes = np.zeros((3, 3), np.uint8)
    modes[1, 2] = fields.INTRA16
    plain, mixed = predicted(modes, field, planes)
    moved = compensate.pad(planes[0])[1 + compensate.PAD_PX :, 2 + compensate.PAD_PX :][:48, :48]
    low = np.minimum(planes[0], moved)
    high = np.maximum(planes[0], moved)
    inter = np.ones((48, 48), bool)
    inter[16:32, 32:] = False
    assert ((mixed[0] >= low) & (mixed[0] <= high))[inter].all()
    assert (mixed[0] != plain[0]).any()
    # At the side of the intra block, and in it, nothing is mixed.
    assert np.array_equal(mixed[0][20:28, 28:36], plain[0][20:28, 28:36])
