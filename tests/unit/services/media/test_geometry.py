# SPDX-License-Identifier: Apache-2.0
"""Turns, mirrors and square pixels, against Pillow."""

from __future__ import annotations

import struct
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, ImageOps

from services.media.geometry import (
    UPRIGHT,
    Orientation,
    of_display_matrix,
    of_exif,
    oriented,
    square,
    upright,
)
from streamcodec.frame import Frame

_ONE = 1 << 16


def exif(value: int) -> bytes:
    data = Image.Exif()
    data[274] = value
    return data.tobytes()


@pytest.mark.parametrize("value", range(1, 9))
def test_exif_orientations_are_those_of_pillow(value: int) -> None:
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    picture = Image.fromarray(pixels)
    picture.getexif()[274] = value
    ours = oriented(pixels, of_exif(exif(value)))
    assert np.array_equal(ours, np.asarray(ImageOps.exif_transpose(picture)))


@pytest.mark.parametrize(
    "data", [b"", b"Exif\0\0", b"II*\0\x08\0\0\0", b"II*\0\xff\xff\xff\xff", b"\0" * 40]
)
def test_damaged_exif_data_turns_nothing(data: bytes) -> None:
    assert of_exif(data) == UPRIGHT


def matrix(a: int, b: int, c: int, d: int) -> bytes:
    return struct.pack("=9i", a * _ONE, b * _ONE, 0, c * _ONE, d * _ONE, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((1, 0, 0, 1), lambda p: p),
        ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),  # a phone held upright
        ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
        ((0, -1, 1, 0), lambda p: np.rot90(p, 1)),
        ((-1, 0, 0, 1), np.fliplr),  # a front camera
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda p: p.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda p: np.rot90(p, 2).swapaxes(0, 1)),
    ],
)
def test_display_matrices_place_points_as_the_standard_says(numbers, expected) -> None:  # type: ignore[no-untyped-def]  # a table of functions
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    assert np.array_equal(oriented(pixels, of_display_matrix(matrix(*numbers))), expected(pixels))


def test_quarter_turns_and_mirrors_add_up() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    for quarters in range(-4, 5):
        turned = oriented(pixels, Orientation().turned(quarters))
        assert np.array_equal(turned, np.rot90(pixels, quarters))
    both = Orientation().turned(1).mirrored(x=True, y=False)
    assert np.array_equal(oriented(pixels, both), np.fliplr(np.rot90(pixels)))


@pytest.mark.parametrize(
    ("size", "aspect", "shown"),
    [
        ((720, 576), Fraction(16, 15), (768, 576)),
        ((720, 576), Fraction(64, 45), (1024, 576)),
        ((720, 480), Fraction(8, 9), (720, 540)),
        ((640, 360), Fraction(1), (640, 360)),
        ((640, 360), None, (640, 360)),
        ((640, 360), Fraction(0), (640, 360)),
        ((640, 360), Fraction(1, 5000), (640, 360)),
        ((4096, 2160), Fraction(4, 3), (4096, 1620)),
    ],
)
def test_pixels_become_square_by_making_the_shorter_way_longer(
    size: tuple[int, int], aspect: Fraction | None, shown: tuple[int, int]
) -> None:
    frame = Frame.grey(np.zeros((size[1], size[0]), np.uint8))
    found = square(frame, aspect)
    assert (found.width, found.height) == shown


def test_a_frame_is_turned_in_all_its_planes() -> None:
    rgb = np.zeros((32, 64, 3), np.uint8)
    rgb[:16, :32] = (255, 0, 0)  # top left
    frame = upright(Frame.from_rgb(rgb), of_display_matrix(matrix(0, 1, -1, 0)))
    back = frame.to_rgb().astype(int)
    assert back.shape == (64, 32, 3)
    assert np.abs(back[4:28, 20:28] - (255, 0, 0)).max() < 8  # top right now
    assert back[40:].max() < 8
