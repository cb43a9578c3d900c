# SPDX-License-Identifier: Apache-2.0
"""Fits the loop filter: least squares from deblocked pictures to the originals.

Normal equations are summed over all frames that a round codes, separately by frame type, band of
qualities, luma or chroma, and class of 4x4 squares (blocks/loopfilter.py).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamcodec import _core
from streamcodec.analysis import padded
from streamcodec.blocks import loopfilter, transform
from streamcodec.frame import Frame
from streamcodec.passes import Attempt

F64 = npt.NDArray[np.float64]

_NEIGHBOURS = 0.1  # share of the neighbouring bands' equations that is added to a band's
_DAMPING = 0.01  # ridge, relative to the mean square: keeps weights of rare classes small
_MOST = 1 << 10  # bound of a weight, four times the identity


class Equations:
    """Sums of squares (types, bands, planes, classes, 6, 6) and products (..., 6)."""

    def __init__(self) -> None:
        shape = loopfilter.no_weights().shape
        self.squares: F64 = np.zeros((*shape, loopfilter.PAIRS))
        self.products: F64 = np.zeros(shape)

    def add_frame(self, frame: Frame, attempt: Attempt, *, key: bool) -> None:
        """Add the equations of one coded frame, whose encoder kept the unfiltered picture."""
        assert attempt.unfiltered is not None
        kind = 0 if key else 1
        band = attempt.quality * loopfilter.BANDS // 64
        source = padded(frame.planes)
        steps_q3 = transform.plane_steps_q3(attempt.quality)
        for number, plane in enumerate(attempt.unfiltered):
            which = min(number, 1)
            _core.filter_accumulate(
                plane,
                source[number],
                attempt.blocks.counts,
                attempt.blocks.modes,
                steps_q3[which],
                self.squares[kind, band, which],
                self.products[kind, band, which],
            )

    def add(self, squares: F64, products: F64) -> None:
        """Add sums of other equations."""
        self.squares += squares
        self.products += products

    def solve(self) -> npt.NDArray[np.int16]:
        """Integer weights as the model stores them; zero without data."""
        squares, products = _borrow(self.squares), _borrow(self.products)
        eye = np.eye(loopfilter.PAIRS)
        size = np.trace(squares, axis1=-2, axis2=-1)[..., None, None] / loopfilter.PAIRS
        damped = squares + (_DAMPING * size + 1e-9) * eye
        weights = np.linalg.solve(damped, products[..., None])[..., 0]
        scaled = np.rint(weights * (1 << loopfilter.WEIGHT_BITS))
        return np.asarray(np.clip(scaled, -_MOST, _MOST), np.int16)


def _borrow(sums: F64) -> F64:
    """Each band with a share of its neighbours, so that empty bands are filled."""
    result = sums.copy()
    result[:, 1:] += _NEIGHBOURS * sums[:, :-1]
    result[:, :-1] += _NEIGHBOURS * sums[:, 1:]
    return result
