# SPDX-License-Identifier: Apache-2.0
"""The decoder network's layers, as data.

    inputs, 1/4 resolution -----------------------------------+
       | pixel unshuffle 2x2, with block maps                 |
    enter 1x1 -> blocks at 1/8: (3x3, 3x3 + skip) x n         |
       |                                                      |
    leave 1x1 -> shuffle 2x2 to 1/4 -> concat with inputs ----+
                                          |
                      first 3x3 -> second 3x3 -> last 3x3 -> correction, 16 + 4 + 4 channels

Every layer is a convolution with int8 weights and inputs in -64..127, an int32 sum, a shift for
each output channel that rounds half to even, and a clamp to 0..127 (the last layer: -127..127).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamcodec.blocks import transform

I16 = npt.NDArray[np.int16]
Correction = tuple[I16, I16, I16]  # of each sample of a picture, in 1/16 grey level

PICTURE_CHANNELS = 27  # deviations of 16 luma, 4 U, 4 V samples, and three means
PREDICTION_CHANNELS = 24  # difference of each sample to its prediction
MAP_CHANNELS = 5  # at 1/8: a block's fields in the bitstream
CORRECTION_CHANNELS = 24
QUALITIES = 64
ACTIVATION_MAX = 127
INPUT_MIN = -64
SUM_LIMIT = 1 << 24  # below it float32 holds every sum, in any order of adding
MOST_SHIFT = 15
FINEST_STEP_Q3 = 32  # finer steps count as this: four grey levels


def effective_steps_q3(quality: int) -> tuple[int, int]:
    """Units of inputs and corrections: steps of luma and chroma in eighths."""
    luma, chroma = transform.plane_steps_q3(quality)
    return max(luma, FINEST_STEP_Q3), max(chroma, FINEST_STEP_Q3)


STEPS_Q3 = np.array([effective_steps_q3(q) for q in range(QUALITIES)], np.int32)  # (64, 2)


@dataclass(frozen=True, slots=True)
class Layer:
    """One convolution. `by_quality`: its bias has a row for each quality index."""

    name: str
    inputs: int
    outputs: int
    side: int  # 1 or 3
    by_quality: bool = False
    skip: bool = False  # the inputs of the layer before are added before the shift


@dataclass(frozen=True, slots=True)
class Shape:
    """Widths and depth of a decoder network."""

    predicted: bool  # has the prediction as input: for inter frames
    body: int = 64  # channels at 1/8
    blocks: int = 3
    renderer: int = 32  # channels at 1/4

    @property
    def inputs(self) -> int:
        """Channels of the input at 1/4 resolution."""
        return PICTURE_CHANNELS + (PREDICTION_CHANNELS if self.predicted else 0)

    def layers(self) -> Iterator[Layer]:
        """All layers in the order in which they run."""
        c, r = self.body, self.renderer
        yield Layer("enter", 4 * self.inputs + MAP_CHANNELS, c, 1, by_quality=True)
        for n in range(self.blocks):
            yield Layer(f"body.{n}.a", c, c, 3)
            yield Layer(f"body.{n}.b", c, c, 3, skip=True)
        yield Layer("leave", c, 4 * r, 1)
        yield Layer("first", self.inputs + r, r, 3, by_quality=True)
        yield Layer("second", r, r, 3, skip=True)
        yield Layer("last", r, CORRECTION_CHANNELS, 3)

    def multiplies_per_px(self) -> float:
        """Multiplications for each luma sample."""
        return sum(
            layer.inputs
            * layer.outputs
            * layer.side**2
            / (64 if layer.name.split(".")[0] in {"enter", "body", "leave"} else 16)
            for layer in self.layers()
        )
