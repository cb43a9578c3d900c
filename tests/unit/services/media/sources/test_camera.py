# SPDX-License-Identifier: Apache-2.0
"""Cameras, with a library that is pretended."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from services.errors import SourceError
from services.media.sources import camera as camera_module
from services.media.sources import open_source
from services.media.sources.opening import _device
from tests.unit.services.media.sources.clocks import ManualClock


def test_cameras_that_do_not_open_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("reasons come from Linux devices")
    monkeypatch.setattr(camera_module, "list_cameras", lambda: ["/dev/video4"])
    with pytest.raises(SourceError, match=r"no such device /dev/video987 \(cameras here: /dev/v"):
        open_source("camera:987", clock=ManualClock())

    def busy(*_: object) -> int:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(os, "open", busy)
    with pytest.raises(SourceError, match="busy: close the program that uses it"):
        open_source("camera:987", clock=ManualClock())


def test_camera_names_split_into_device_size_and_rate() -> None:
    assert _device("", "0") == ("0", None, None)
    assert _device("", "0:1280x720@60") == ("0", (1280, 720), 60.0)
    assert _device("", "/dev/video2@15") == ("/dev/video2", None, 15.0)
    assert _device("", "/dev/v4l/by-path/usb-0:1.2") == ("/dev/v4l/by-path/usb-0:1.2", None, None)


class FakeCapture:
    """Stands for cv2.VideoCapture: a camera that can be unplugged."""

    frames = 3
    opened_with: tuple[object, ...] = ()

    def __init__(self) -> None:
        self.left = type(self).frames
        self.asked: dict[int, float] = {}

    def setExceptionMode(self, enable: bool) -> None:  # noqa: N802  # OpenCV's name
        assert not enable

    def open(self, *arguments: object) -> bool:
        type(self).opened_with = arguments
        return True

    def set(self, key: int, value: float) -> bool:
        self.asked[key] = value
        return True

    def get(self, key: int) -> float:
        return self.asked.get(key, 0.0)

    def read(self) -> tuple[bool, np.ndarray | None]:
        if not self.left:
            return False, None
        self.left -= 1
        return True, np.full((48, 64, 3), 100, np.uint8)

    def release(self) -> None:
        self.left = 0


def test_a_camera_gives_pictures_until_it_is_unplugged_and_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(camera_module.cv2, "VideoCapture", FakeCapture)
    told: list[str] = []
    clock = ManualClock()
    source = open_source("camera:1:64x48@25", clock=clock, tell=told.append)
    assert (source.name, source.width, source.height, source.fps) == ("camera:1", 64, 48, 25.0)
    assert FakeCapture.opened_with[0] == 1
    pictures = 0
    while len(told) < 3:
        captured = source.read(0.2)
        pictures += captured is not None
    source.close()
    assert pictures >= 2
    assert "unplugged" in told[0]
    assert told[1] == "camera:1: back again"


def test_a_camera_without_pictures_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dark(FakeCapture):
        frames = 0

    monkeypatch.setattr(camera_module.cv2, "VideoCapture", Dark)
    with pytest.raises(SourceError, match="sends no pictures"):
        open_source("camera:0", clock=ManualClock())
