# SPDX-License-Identifier: Apache-2.0
"""Painted layers and the camera that looks at them: how the built-in scene is composed.

Colours are converted once, when a layer is made: a layer holds Y, U, V and alpha (8 bits each,
colour premultiplied), so that drawing is one warp and a few integer operations on planes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from streamcodec.frame import Plane

Image = npt.NDArray[np.floating]

# BT.709 limited range (ITU-R BT.709-6) from RGB in 0..1.
_RGB_TO_YUV = np.array(
    [
        [46.5594, 156.6288, 15.8118, 16.0],
        [-25.6639, -86.3361, 112.0, 128.0],
        [112.0, -101.7303, -10.2697, 128.0],
    ]
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A painted picture somewhere in the scene.

    `pixels` is (h, w, 4) uint8; `left` and `top` place it on the canvas, in pixels of an unzoomed
    frame; `parallax` is how far it moves with the camera (0 sky, 1 and more foreground).
    """

    pixels: npt.NDArray[np.uint8]
    left: float
    top: float
    parallax: float
    opaque: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera looks: offset from the middle in pixels, and its zoom (1 or more)."""

    x: float
    y: float
    zoom: float


def make_layer(
    rgb: Image,
    alpha: Image | None,
    *,
    left: float,
    top: float,
    parallax: float,
    rng: np.random.Generator,
) -> Layer:
    """Convert a painting, (h, w, 3) in 0..1 and its coverage (h, w), dithered against banding."""
    yuv = cv2.transform(np.clip(rgb, 0, 1), _RGB_TO_YUV)
    opaque = alpha is None
    if alpha is None:
        alpha = np.ones(rgb.shape[:2], np.float32)
    packed = np.dstack((yuv, np.full(alpha.shape, 255, np.float32))) * alpha[..., None]
    packed[..., 0] += rng.uniform(-0.5, 0.5, alpha.shape) * (alpha == 1)
    pixels = np.clip(np.rint(packed), 0, 255).astype(np.uint8)
    return Layer(pixels, left, top, parallax, opaque)


def mirrored(layer: Layer, strength: float) -> Layer:
    """A layer upside down and partly transparent, as still water shows it."""
    pixels = np.rint(layer.pixels[::-1] * strength).astype(np.uint8)
    return Layer(np.ascontiguousarray(pixels), layer.left, layer.top, layer.parallax)


class Canvas:
    """Planes that layers are drawn onto, back to front; sides are rounded up to even."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width + width % 2, height + height % 2
        self.y: Plane = np.zeros((self.height, self.width), np.uint8)
        self.u: Plane = np.zeros((self.height // 2, self.width // 2), np.uint8)
        self.v: Plane = np.zeros_like(self.u)

    def draw(self, layer: Layer, view: View, *, dx: float = 0.0, dy: float = 0.0) -> None:
        """Lay a layer, moved by dx and dy, over what is there."""
        height, width = layer.pixels.shape[:2]
        zoom = view.zoom
        shift_x = layer.left + dx - view.x * layer.parallax - self.width / 2
        shift_y = layer.top + dy - view.y * layer.parallax - self.height / 2
        x0, x1 = _span(shift_x, width, zoom, self.width)
        y0, y1 = _span(shift_y, height, zoom, self.height)
        if x0 >= x1 or y0 >= y1:
            return
        inverse = np.array(
            [
                [1 / zoom, 0, (x0 + 0.5 - self.width / 2) / zoom - shift_x - 0.5],
                [0, 1 / zoom, (y0 + 0.5 - self.height / 2) / zoom - shift_y - 0.5],
            ]
        )
        patch = cv2.warpAffine(
            layer.pixels,
            inverse,
            (x1 - x0, y1 - y0),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
        )
        half = cv2.resize(patch, ((x1 - x0) // 2, (y1 - y0) // 2), interpolation=cv2.INTER_AREA)
        luma, _, _, alpha = cv2.split(patch)
        _, chroma_u, chroma_v, half_alpha = cv2.split(half)
        if layer.opaque:
            self.y[y0:y1, x0:x1] = luma
            self.u[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = chroma_u
            self.v[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = chroma_v
            return
        _over(self.y[y0:y1, x0:x1], luma, cv2.bitwise_not(alpha))
        through = cv2.bitwise_not(half_alpha)
        part = np.s_[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2]
        _over(self.u[part], chroma_u, through)
        _over(self.v[part], chroma_v, through)


def _over(below: Plane, premultiplied: cv2.typing.MatLike, through: cv2.typing.MatLike) -> None:
    below[:] = cv2.add(cv2.multiply(below, through, scale=1 / 255), premultiplied)


def _span(shift: float, size: int, zoom: float, limit: int) -> tuple[int, int]:
    """Even range of canvas pixels that a layer of `size` covers along one side."""
    start = shift * zoom + limit / 2
    first = max(0, int(np.floor(start / 2)) * 2)
    last = min(limit, int(np.ceil((start + size * zoom) / 2)) * 2)
    return first, last
