# SPDX-License-Identifier: Apache-2.0
"""Planes pass untouched; other ranges, matrices and layouts come out as BT.709 limited."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from services.media.avframes import from_frame, is_native, to_frame
from services.media.scene import Scene
from streamcodec.frame import Frame
from streamcodec.metrics import psnr

_BT709, _UNSPECIFIED, _BT601_PAL, _BT601_NTSC = 1, 2, 5, 6
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


def test_undeclared_colours_are_taken_as_they_are(frame: Frame) -> None:
    picture = from_frame(frame)
    picture.colorspace, picture.color_range = _UNSPECIFIED, 0
    assert to_frame(picture).same_pixels(frame)


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
