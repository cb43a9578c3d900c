# SPDX-License-Identifier: Apache-2.0
"""What a person may name to have it coded."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from services.errors import SourceError
from services.media.files.naming import open_named
from services.media.sinks import open_sink
from streamcodec.frame import Frame


def test_a_file_address_is_the_file(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((32, 48, 3), 90, np.uint8))
    (timed,) = open_named(f"file://{tmp_path}/a.png").frames
    assert (timed.frame.width, timed.frame.height) == (48, 32)


def test_a_dash_is_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = open_sink(str(tmp_path / "a.y4m"), fps=20)
    shown = [Frame.grey(np.full((32, 48), level, np.uint8)) for level in (40, 80)]
    for number, frame in enumerate(shown):
        sink.write(frame, shown_us=number * 50_000)
    sink.close()
    data = (tmp_path / "a.y4m").read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    material = open_named("-")
    found = list(material.frames)
    assert material.rate == 20
    assert [timed.time_us for timed in found] == [0, 50_000]
    assert all(a.frame.same_pixels(b) for a, b in zip(found, shown, strict=True))


def test_an_address_is_refused_without_its_secrets() -> None:
    with pytest.raises(SourceError, match=r"http://host/a\.mp4\?\*\*\*: an address; ") as told:
        open_named("http://me:secret@host/a.mp4?token=1234")
    assert "secret" not in str(told.value)


def test_a_name_that_no_disk_takes_is_a_sentence() -> None:
    with pytest.raises(SourceError, match="cannot be read \\(File name too long\\)"):
        open_named("a" * 300 + ".mp4")


def test_a_picture_that_is_too_large_says_what_to_do(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 5000, 3), np.uint8))
    with pytest.raises(SourceError, match=r"5000x20; the codec takes .* to 4096x2304; scale it"):
        list(open_named(str(tmp_path / "a.png")).frames)
