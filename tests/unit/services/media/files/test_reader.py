# SPDX-License-Identifier: Apache-2.0
"""Reading pictures, folders and videos, good and bad."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from services.errors import SourceError
from services.media.files.reader import open_material, read_picture


def gradient(width: int = 64, height: int = 48) -> np.ndarray:
    """A BGR picture that survives JPEG well."""
    x = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    return np.stack((x, x[:, ::-1], np.full_like(x, 90)), -1).astype(np.uint8)


def write_video(path: Path, frames: int = 5, width: int = 64, height: int = 48) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for _ in range(frames):
            picture = av.VideoFrame.from_ndarray(gradient(width, height), format="bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_picture_is_one_still_frame(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    cv2.imwrite(str(path), gradient())
    material = open_material(path)
    (timed,) = material.frames
    assert material.still
    assert material.count == 1
    assert (timed.frame.width, timed.frame.height, timed.time_us) == (64, 48, 0)
    assert np.abs(timed.frame.to_bgr().astype(int) - gradient()).mean() < 8


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    cv2.imwrite(str(path), np.zeros((32, 32, 4), np.uint8))
    assert read_picture(path).y.min() == 235


def test_sixteen_bit_grey_is_read(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), np.full((32, 32), 32768, np.uint16))
    assert read_picture(path).y.mean() == pytest.approx(126, abs=1)


def test_a_folder_comes_in_the_order_of_its_names(tmp_path: Path) -> None:
    for index in (2, 0, 1):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((32, 32, 3), index * 80, np.uint8))
    material = open_material(tmp_path)
    lightness = [timed.frame.y.mean() for timed in material.frames]
    assert material.count == 3
    assert lightness == sorted(lightness)


def test_a_video_has_rising_times(tmp_path: Path) -> None:
    material = open_material(write_video(tmp_path / "clip.mp4"))
    times = [timed.time_us for timed in material.frames]
    assert material.fps == 25
    assert times == [0, 40_000, 80_000, 120_000, 160_000]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.mp4", None, "no such file"),
        ("noise.mp4", b"\x00" * 500, "not a video"),
        ("empty.mp4", b"", "not a video"),
        ("noise.png", b"not a picture", "not a picture"),
        ("empty.png", b"", "not a picture"),
        ("text.txt", b"hello", "not a video"),
    ],
)
def test_a_bad_file_is_named_in_one_sentence(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        list(open_material(path).frames)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no pictures in this folder"):
        open_material(tmp_path)


def test_a_picture_that_is_too_small_says_what_fits(tmp_path: Path) -> None:
    path = tmp_path / "dot.png"
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(SourceError, match="8x8; the codec takes 16x16"):
        open_material(path)


def test_a_video_that_is_too_large_says_what_fits(tmp_path: Path) -> None:
    path = write_video(tmp_path / "huge.avi", frames=1, width=4200, height=64)
    with pytest.raises(SourceError, match="4200x64; the codec takes"):
        list(open_material(path).frames)
