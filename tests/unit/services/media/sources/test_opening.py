# SPDX-License-Identifier: Apache-2.0
"""Sources by name: files, pictures, standard input; wrong names are one sentence."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from services.errors import EndOfSource, SourceError
from services.media.scene import Scene
from services.media.sinks import open_sink
from services.media.sources import open_source
from tests.unit.services.media.sources.clocks import ManualClock, grey


def test_scene_names_carry_size_rate_and_seed() -> None:
    source = open_source("scene:48x32@12.5", clock=ManualClock(), seed=3)
    assert (source.width, source.height, source.fps, source.live) == (48, 32, 12.5, True)
    captured = source.read(1)
    assert captured is not None
    assert captured.frame.same_pixels(Scene(48, 32, fps=12.5, seed=3).frame(0))


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("nothing.mp4", "no such file; a source is camera:0, screen:, scene:640x360@30"),
        ("x" * 5000, "no such file"),
        ("scene:8x8", "frame is 8x8"),
        ("scene:640", "expected a size and rate like 640x360@30, not '640'"),
        ("scene:64x64@0", "rate must be above 0"),
        ("screen:two", "number of a monitor"),
        ("rtsp://127.0.0.1:1/x", "cannot be opened"),
    ],
)
def test_a_wrong_name_is_one_sentence(spec: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason) as caught:
        open_source(spec, clock=ManualClock())
    assert str(caught.value).startswith(spec)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_video_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(SourceError, match=r"a\.mp4: not a video"):
        open_source(str(path), clock=ManualClock())


def test_y4m_plays_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    frames = [grey(n * 40) for n in range(3)]
    sink = open_sink(str(path), fps=20)
    for frame in frames:
        sink.write(frame, shown_us=0)
    sink.close()
    source = open_source(str(path), clock=ManualClock())
    assert (source.fps, source.live, source.name) == (20.0, False, "a.y4m")
    captured = [source.read(1) for _ in frames]
    assert all(a and a.frame.same_pixels(b) for a, b in zip(captured, frames, strict=True))
    assert np.diff([a.captured_us for a in captured if a]).tolist() == [50_000] * 2
    with pytest.raises(EndOfSource):
        source.read(1)
    source.close()


def test_y4m_comes_through_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.y4m"
    sink = open_sink(str(path), fps=20)
    sink.write(grey(77), shown_us=0)
    sink.close()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(path.read_bytes())))
    source = open_source("-", clock=ManualClock())
    captured = source.read(1)
    assert captured is not None
    assert captured.frame.same_pixels(grey(77))


@pytest.mark.parametrize("cut_bytes", [1, 500])
def test_standard_input_that_breaks_off_is_told_after_its_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_bytes: int
) -> None:
    path = tmp_path / "a.y4m"
    sink = open_sink(str(path), fps=20)
    for level in (50, 77, 99):
        sink.write(grey(level), shown_us=0)
    sink.close()
    data = path.read_bytes()[:-cut_bytes]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    source = open_source("-", clock=ManualClock())
    for level in (50, 77):
        captured = source.read(1)
        assert captured is not None
        assert captured.frame.same_pixels(grey(level))
    with pytest.raises(SourceError, match="standard input: it breaks off after frame 2"):
        source.read(1)


def test_a_folder_of_pictures_plays_in_order_of_name(tmp_path: Path) -> None:
    for level in (10, 200):
        cv2.imwrite(str(tmp_path / f"{level:03d}.png"), np.full((32, 48, 3), level, np.uint8))
    source = open_source(str(tmp_path), clock=ManualClock())
    means = [captured.frame.y.mean() for _ in range(2) if (captured := source.read(1))]
    assert means == sorted(means)
    assert (source.width, source.height) == (48, 32)


@pytest.mark.parametrize(
    "name", ["2024-01-31T12:30:05.mp4", "./a:b.mp4", "100%d.mp4", "scene:1.mp4", "c:clip.mp4"]
)
def test_names_with_colons_and_percents_are_files(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sink = open_sink(name, fps=10)
    for number in range(3):
        sink.write(grey(60 * number), shown_us=number * 100_000)
    sink.close()
    source = open_source(name, clock=ManualClock())
    levels = [captured.frame.y.mean() for _ in range(3) if (captured := source.read(1))]
    assert np.allclose(levels, (0, 60, 120), atol=3)


def test_a_file_may_be_named_by_its_url(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((32, 48, 3), 50, np.uint8))
    source = open_source(f"file://{tmp_path}/a.png", clock=ManualClock())
    assert (source.width, source.height) == (48, 32)
