# SPDX-License-Identifier: Apache-2.0
"""The virtual camera shows what was received, and says in a sentence why it cannot."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest

from services.errors import EXIT_CONFIG, ConfigError, SinkError
from services.media.sinks.virtual_camera import VirtualCameraSink
from services.receiver.assemble import make_sinks
from services.settings.config import ReceiverSettings, Settings
from tests.fakes import noise_frame

DEVICE = "/dev/null"  # a character device that anybody may write to


class PixelFormat(enum.Enum):
    I420 = "I420"


class Camera:
    """What pyvirtualcam.Camera promises, as far as it is used; keeps what it was sent."""

    made: list[Camera]
    busy = False

    def __init__(
        self, width: int, height: int, fps: float, *, fmt: PixelFormat, device: str
    ) -> None:
        if self.busy:
            raise RuntimeError("'v4l2loopback' backend: device is\nalready in use")
        self.size, self.fps, self.fmt, self.device = (width, height), fps, fmt, device
        self.sent: list[npt.NDArray[np.uint8]] = []
        self.closed = 0
        self.made.append(self)

    def send(self, frame: npt.NDArray[np.uint8]) -> None:
        width, height = self.size
        if frame.dtype != np.uint8 or frame.size != width * height * 3 // 2:
            raise ValueError(f"unexpected frame size: {frame.size}")
        self.sent.append(frame)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch) -> list[Camera]:
    """The cameras that are made, by a module in place of pyvirtualcam."""
    made: list[Camera] = []
    monkeypatch.setattr(Camera, "made", made, raising=False)
    module = ModuleType("pyvirtualcam")
    module.Camera = Camera  # type: ignore[attr-defined]  # a module made here
    module.PixelFormat = PixelFormat  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    return made


def test_the_planes_arrive_as_they_are(cameras: list[Camera]) -> None:
    sink, frame = VirtualCameraSink(DEVICE, fps=30.0), noise_frame(64, 48)
    assert cameras == []  # its size is that of the first frame
    sink.write(frame, shown_us=0)
    sink.close()
    sink.close()
    (camera,) = cameras
    assert (camera.size, camera.fmt, camera.device) == ((64, 48), PixelFormat.I420, DEVICE)
    assert camera.sent[0].tobytes() == b"".join(plane.tobytes() for plane in frame.planes)
    assert camera.closed == 1
    with pytest.raises(SinkError, match="closed"):
        sink.write(frame, shown_us=1)


@pytest.mark.parametrize("size", [(65, 49), (32, 24), (128, 96)])
def test_later_frames_of_another_size_are_scaled_to_the_first(
    cameras: list[Camera], size: tuple[int, int]
) -> None:
    sink = VirtualCameraSink(DEVICE, fps=30.0)
    sink.write(noise_frame(64, 48), shown_us=0)
    sink.write(noise_frame(*size), shown_us=1)
    assert [len(sent) for sent in cameras[0].sent] == [64 * 48 * 3 // 2] * 2
    sink.close()


def test_odd_sides_lose_a_row_or_column(cameras: list[Camera]) -> None:
    sink = VirtualCameraSink(DEVICE, fps=30.0)
    sink.write(noise_frame(63, 47), shown_us=0)
    assert cameras[0].size == (62, 46)
    sink.close()


def test_a_device_that_takes_nothing_is_one_sentence(
    cameras: list[Camera], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Camera, "busy", True)
    sink = VirtualCameraSink(DEVICE, fps=30.0)
    with pytest.raises(SinkError, match=r"/dev/null: takes no pictures \(.*already in use\)") as no:
        sink.write(noise_frame(), shown_us=0)
    assert "\n" not in str(no.value)


def test_the_real_package_refuses_what_is_no_camera_in_one_sentence() -> None:
    pytest.importorskip("pyvirtualcam", reason="the extra 'camera' is not installed")
    sink = VirtualCameraSink(DEVICE, fps=30.0)
    with pytest.raises(SinkError, match="/dev/null: takes no pictures"):
        sink.write(noise_frame(), shown_us=0)


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(ConfigError, match=r"pip install 'streamcodec\[camera\]'") as missing:
        VirtualCameraSink(DEVICE, fps=30.0)
    assert missing.value.exit_code == EXIT_CONFIG


@pytest.mark.usefixtures("cameras")
def test_a_missing_device_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"modprobe v4l2loopback video_nr=87"):
        VirtualCameraSink("/dev/video87", fps=30.0)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="no such device"):
        VirtualCameraSink(str(tmp_path / "file"), fps=30.0)


@pytest.mark.usefixtures("cameras")
def test_the_setting_makes_the_sink() -> None:
    settings = Settings(receiver=ReceiverSettings(view="none", virtual_camera=DEVICE))
    (sink,) = make_sinks(settings).sinks
    assert isinstance(sink, VirtualCameraSink)
    sink.close()
