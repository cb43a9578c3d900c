# SPDX-License-Identifier: Apache-2.0
"""Planes pass untouched; other ranges, matrices and layouts come out as BT.709 limited."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from services.media.avframes import from_frame, is_native, to_frame
from services.media.scene import Scene
from streamcodec.frame import Frame
from streamcodec.metrics import psnr

_BT709, _UNSPECIFIED, _BT601_PAL, _BT601_NTSC, _BT2020 = 1, 2, 5, 6, 9
_LIMITED, _FULL = 1, 2


def matrix(red: float, blue: float) -> npt.NDArray[np.float64]:
    green = 1 - red - blue
    return np.array(
        [
            [red, green, blue],
            [-0.5 * red / (1 - blue), -0.5 * green / (1 - blue), 0.5],
            [0.5, -0.5 * green / (1 - red), -0.5 * blue / (1 - red)],
        ]
    )


def converted(frame: Frame, *, full: bool, bt601: bool) -> Frame:
    """BT.709 limited planes in another range and matrix, by plain arithmetic."""
    luma, chroma = (255, 255) if full else (219, 224)
    up = [p.repeat(2, 0).repeat(2, 1).astype(float) - 128 for p in (frame.u, frame.v)]
    yuv = np.stack([(frame.y - 16.0) / 219, up[0] / 224, up[1] / 224], -1)
    if bt601:
        yuv = yuv @ np.linalg.inv(matrix(0.2126, 0.0722)).T @ matrix(0.299, 0.114).T
    h, w = frame.u.shape
    halves = [yuv[..., k].reshape(h, 2, w, 2).mean((1, 3)) * chroma + 128 for k in (1, 2)]
    planes = (yuv[..., 0] * luma + (0 if full else 16), *halves)
    return Frame(*(np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in planes))


@pytest.fixture(scope="module")
def frame() -> Frame:
    return Scene(128, 96).frame(0)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (33, 47)])
def test_native_planes_pass_untouched(width: int, height: int) -> None:
    frame = Scene(width, height).frame(0)
    picture = from_frame(frame)
    assert is_native(picture)
    assert to_frame(picture).same_pixels(frame)


def test_undeclared_colours_are_those_of_the_size_as_players_hold_it() -> None:
    small, large = Scene(128, 96).frame(0), Scene(1280, 720).frame(0)
    picture = from_frame(large)
    picture.colorspace, picture.color_range = _UNSPECIFIED, 0
    assert to_frame(picture).same_pixels(large)
    picture = from_frame(converted(small, full=False, bt601=True))
    picture.colorspace, picture.color_range = _UNSPECIFIED, 0
    assert psnr(small, to_frame(picture)).weighted_db > 48


def test_undeclared_colours_of_raw_planes_are_taken_as_they_are(frame: Frame) -> None:
    picture = from_frame(frame)
    picture.colorspace, picture.color_range = _UNSPECIFIED, 0
    assert to_frame(picture, as_stored=True).same_pixels(frame)


def test_bt2020_is_converted_by_its_own_matrix() -> None:
    rgb = colours()
    full = rgb.astype(float) / 255 @ matrix(0.2627, 0.0593).T
    planes = np.moveaxis(full * (219, 224, 224) + (16, 128, 128), -1, 0)
    picture = av.VideoFrame.from_ndarray(
        np.clip(np.rint(planes), 0, 255).astype(np.uint8), format="yuv444p"
    )
    picture.colorspace, picture.color_range = _BT2020, _LIMITED
    assert psnr(Frame.from_rgb(rgb), to_frame(picture)).weighted_db > 45


@pytest.mark.parametrize("layout", ["gray", "gray10le"])
@pytest.mark.parametrize("told", [0, _FULL, _LIMITED])
def test_grey_is_in_the_range_that_it_says_else_full(layout: str, told: int) -> None:
    levels = np.linspace(16, 235, 64 * 48).reshape(48, 64)
    stored = np.rint(levels if layout == "gray" else levels * 4)
    kind = np.uint8 if layout == "gray" else np.uint16
    picture = av.VideoFrame.from_ndarray(stored.astype(kind), format=layout)
    picture.color_range = told
    right = levels if told == _LIMITED else 16 + levels * 219 / 255
    found = to_frame(picture)
    assert np.abs(found.y - right).max() <= 1.5
    assert (found.u == 128).all()


@pytest.mark.parametrize("layout", ["rgba", "yuva420p", "yuva444p10le"])
def test_alpha_is_laid_on_white_as_pillow_does(layout: str) -> None:
    rgba = np.dstack((colours(), np.linspace(0, 255, 96)[None].repeat(64, 0))).astype(np.uint8)
    picture = av.VideoFrame.from_ndarray(rgba, format="rgba")
    if layout != "rgba":
        picture = picture.reformat(format=layout, dst_colorspace=1)
        picture.colorspace, picture.color_range = _BT709, _LIMITED
    white = Image.new("RGBA", (96, 64), (255, 255, 255, 255))
    truth = np.asarray(Image.alpha_composite(white, Image.fromarray(rgba)).convert("RGB"))
    assert psnr(Frame.from_rgb(truth), to_frame(picture)).weighted_db > 38


def colours() -> npt.NDArray[np.uint8]:
    """A smooth picture (64, 96, 3) of many colours."""
    y, x = np.mgrid[0:64, 0:96]
    waves = np.stack([np.sin(x / 20 + y / 30), np.sin(y / 15 + 1), np.cos(x / 25 - y / 20)], -1)
    return np.clip(128 + 100 * waves, 0, 255).astype(np.uint8)


def test_a_stored_mirror_is_undone(tmp_path: Path) -> None:
    levels = np.zeros((32, 64), np.uint8)
    levels[:16, :32] = 200
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.set_display_rotation(0, hflip=True)
        container.mux(stream.encode(from_frame(Frame.grey(levels))))
        container.mux(stream.encode(None))
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = to_frame(next(container.decode(video=0)))
    assert frame.y[:16, 32:].min() > 150
    assert frame.y[:, :32].max() < 50


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("colorspace", [_BT709, _BT601_PAL, _BT601_NTSC])
def test_other_ranges_and_matrices_are_converted(frame: Frame, full: bool, colorspace: int) -> None:
    if not full and colorspace == _BT709:
        pytest.skip("the native case")
    source = converted(frame, full=full, bt601=colorspace != _BT709)
    picture = from_frame(source, full_range=full)
    picture.colorspace, picture.color_range = colorspace, _FULL if full else _LIMITED
    scores = psnr(frame, to_frame(picture))
    assert min(scores.y_db, scores.u_db, scores.v_db) > 48
    assert psnr(frame, source).weighted_db < 46


def test_full_range_pictures_without_a_matrix_are_read_as_jpeg_does(frame: Frame) -> None:
    picture = from_frame(converted(frame, full=True, bt601=True), full_range=True)
    picture.colorspace = _UNSPECIFIED
    assert psnr(frame, to_frame(picture)).weighted_db > 48


def test_rgb_gives_what_our_own_conversion_gives(frame: Frame) -> None:
    rgb = frame.to_rgb()
    picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    assert psnr(Frame.from_rgb(rgb), to_frame(picture)).weighted_db > 45


@pytest.mark.parametrize("layout", ["nv12", "yuv422p", "yuv444p", "yuv420p10le"])
def test_other_layouts_and_depths_are_converted(frame: Frame, layout: str) -> None:
    picture = from_frame(frame).reformat(format=layout)
    assert psnr(frame, to_frame(picture)).weighted_db > 40


def test_a_video_that_was_held_on_its_side_comes_out_upright(tmp_path: Path) -> None:
    levels = np.zeros((32, 64), np.uint8)
    levels[:16, :32] = 200  # the bright corner: top left as stored
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.set_display_rotation(-90)  # to be turned clockwise for display, as phones write it
        container.mux(stream.encode(from_frame(Frame.grey(levels))))
        container.mux(stream.encode(None))
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = to_frame(next(container.decode(video=0)))
    assert (frame.width, frame.height) == (32, 64)
    assert frame.y[:32, 16:].min() > 150  # top right now
    assert frame.y[32:].max() < 50
