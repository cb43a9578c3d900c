# SPDX-License-Identifier: Apache-2.0
"""The built-in scene: repeatable, alive, and any size."""

from __future__ import annotations

import numpy as np
import pytest

from services.media.layers import Canvas, View, make_layer, mirrored
from services.media.scene import Scene
from streamcodec.errors import FrameError
from streamcodec.metrics import psnr_plane

STILL = View(0.0, 0.0, 1.0)


def test_equal_seeds_give_equal_pictures_in_any_order() -> None:
    first, second = Scene(96, 64, seed=5), Scene(96, 64, seed=5)
    later = first.frame(40)
    assert first.frame(3).same_pixels(second.frame(3))
    assert second.frame(40).same_pixels(later)
    assert not Scene(96, 64, seed=6).frame(3).same_pixels(second.frame(3))


@pytest.mark.parametrize(("width", "height"), [(16, 16), (33, 47), (320, 180), (90, 300)])
def test_every_size_renders(width: int, height: int) -> None:
    frame = Scene(width, height).frame(7)
    assert (frame.width, frame.height) == (width, height)


def test_a_size_the_codec_cannot_take_is_refused() -> None:
    with pytest.raises(FrameError, match="15x64"):
        Scene(15, 64)


def test_frames_stay_untouched_when_the_next_is_drawn() -> None:
    scene = Scene(64, 48)
    frame = scene.frame(0)
    copy = frame.y.copy()
    scene.frame(1)
    assert np.array_equal(frame.y, copy)


def test_pictures_move_and_carry_fresh_noise() -> None:
    scene = Scene(320, 180, fps=30)
    frames = [scene.frame(n) for n in (0, 1, 30)]
    assert 20 < psnr_plane(frames[0].y, frames[1].y) < 45
    assert psnr_plane(frames[0].y, frames[2].y) < psnr_plane(frames[0].y, frames[1].y)


def test_pictures_have_colour_and_contrast_and_stay_in_range() -> None:
    frame = Scene(320, 180).frame(0)
    assert frame.y.std() > 30
    assert min(frame.u.std(), frame.v.std()) > 5
    assert (frame.y < 10).mean() == 0
    assert (frame.y > 245).mean() == 0


def test_motion_does_not_depend_on_the_frame_rate() -> None:
    slow, fast = Scene(160, 96, fps=15), Scene(160, 96, fps=30)
    assert psnr_plane(slow.frame(15).y, fast.frame(30).y) > 35  # only the noise differs


def painted(colour: tuple[float, float, float], alpha: float | None, size: int = 8) -> np.ndarray:
    rgb = np.full((size, size, 3), colour, np.float32)
    return rgb if alpha is None else np.dstack((rgb, np.full((size, size), alpha, np.float32)))


def test_an_opaque_layer_covers_what_is_below() -> None:
    rng = np.random.default_rng(0)
    canvas = Canvas(8, 8)
    white = make_layer(painted((1, 1, 1), None), None, left=0, top=0, parallax=0, rng=rng)
    canvas.draw(white, STILL)
    assert np.abs(canvas.y.astype(int) - 235).max() <= 1
    assert np.abs(canvas.u.astype(int) - 128).max() <= 1


def test_half_transparent_black_halves_the_light() -> None:
    rng = np.random.default_rng(0)
    canvas = Canvas(8, 8)
    full = np.ones((8, 8), np.float32)
    for rgb, alpha in ((1.0, full), (0.0, full * 0.5)):
        layer = make_layer(painted((rgb,) * 3, None), alpha, left=0, top=0, parallax=0, rng=rng)
        canvas.draw(layer, STILL)
    assert np.abs(canvas.y.astype(int) - (235 + 16) // 2).max() <= 2


def test_a_layer_moves_against_the_camera_by_its_parallax() -> None:
    rng = np.random.default_rng(0)
    one = np.ones((4, 4), np.float32)
    layer = make_layer(painted((1, 1, 1), None, 4), one, left=6, top=6, parallax=0.5, rng=rng)
    for camera, expected in ((0.0, 6), (4.0, 4), (100.0, None)):
        canvas = Canvas(16, 16)
        canvas.draw(layer, View(camera, 0.0, 1.0))
        columns = np.flatnonzero(canvas.y.max(0))
        assert (columns[0] if len(columns) else None) == expected


def test_a_mirrored_layer_is_upside_down_and_fainter() -> None:
    rng = np.random.default_rng(0)
    rgb = painted((1, 1, 1), None, 4)
    rgb[0] = 0
    layer = make_layer(rgb, np.ones((4, 4), np.float32), left=0, top=0, parallax=0, rng=rng)
    flipped = mirrored(layer, 0.5)
    assert flipped.pixels[3, 0, 0] < flipped.pixels[0, 0, 0]
    assert flipped.pixels[0, 0, 3] == 128
