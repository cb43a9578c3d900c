# SPDX-License-Identifier: Apache-2.0
"""Frames in another size: what a thin link gets smaller, what a file keeps at its first size."""

from __future__ import annotations

import cv2
import numpy as np

from streamcodec.frame import Frame, Plane


def fitted(frame: Frame, width: int, height: int) -> Frame:
    """The frame itself, or scaled to a size: averages of areas down, straight lines up."""
    if (frame.width, frame.height) == (width, height):
        return frame
    smaller = width <= frame.width and height <= frame.height
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR

    def scaled(plane: Plane, size: tuple[int, int]) -> Plane:
        return np.asarray(cv2.resize(plane, size, interpolation=way), np.uint8)

    half = ((width + 1) // 2, (height + 1) // 2)
    return Frame(scaled(frame.y, (width, height)), scaled(frame.u, half), scaled(frame.v, half))
