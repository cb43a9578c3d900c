# SPDX-License-Identifier: Apache-2.0
"""Sources: names, frame rate, ends, loops, and devices that go and come back."""

from __future__ import annotations

import gc
import io
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from services.errors import EndOfSource, SourceError
from services.measure.source_health import SourceHealth, health_of
from services.media.files.reader import TimedFrame
from services.media.scene import Scene
from services.media.sinks import open_sink
from services.media.sources import CapturedFrame, open_source
from services.media.sources import camera as camera_module
from services.media.sources.latest import LatestFrames
from services.media.sources.opening import _device
from services.media.sources.paced import PacedSource, SceneSource
from services.media.sources.retry import LONGEST_PAUSE_US, OF_ADDRESSES, RetryingSource
from streamcodec.codec import Codec
from streamcodec.container import FileHeader, ScvWriter
from streamcodec.frame import Frame
from tests.fakes import FakeCodec


class ManualClock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.time_us = 10_000_000

    def now_us(self) -> int:
        return self.time_us

    def sleep_us(self, span_us: int) -> None:
        assert span_us >= 0
        self.time_us += span_us


def grey(level: int, width: int = 32, height: int = 32) -> Frame:
    return Frame.grey(np.full((height, width), level, np.uint8))


def deck(*times_us: int) -> Iterator[TimedFrame]:
    return iter([TimedFrame(grey(n), t) for n, t in enumerate(times_us)])


def paced(clock: ManualClock, *times_us: int, loop: bool = False) -> PacedSource:
    return PacedSource("clip", lambda: deck(*times_us), fps=25.0, loop=loop, clock=clock)


def read(source: PacedSource | SceneSource | RetryingSource, timeout_s: float = 9) -> CapturedFrame:
    captured = source.read(timeout_s)
    assert captured is not None
    return captured


def test_frames_come_when_their_timestamps_say() -> None:
    clock = ManualClock()
    source = paced(clock, 0, 40_000, 90_000)
    start_us = clock.now_us()
    assert [read(source).captured_us - start_us for _ in range(3)] == [0, 40_000, 90_000]
    with pytest.raises(EndOfSource):
        source.read(1)


def test_nothing_within_the_timeout_is_none_and_loses_nothing() -> None:
    clock = ManualClock()
    source = paced(clock, 0, 100_000)
    read(source)
    assert source.read(0.06) is None
    assert clock.now_us() == 10_060_000
    assert read(source, 0.06).captured_us == 10_100_000


def test_a_loop_goes_round_at_the_pace_of_the_clip() -> None:
    clock = ManualClock()
    source = paced(clock, 0, 40_000, loop=True)
    times = [read(source).captured_us for _ in range(5)]
    assert np.diff(times).tolist() == [40_000] * 4


def test_a_reader_that_slept_gets_no_burst() -> None:
    clock = ManualClock()
    source = paced(clock, 0, 40_000, 80_000, 120_000)
    read(source)
    clock.sleep_us(2_000_000)
    assert np.diff([read(source).captured_us for _ in range(3)]).tolist() == [40_000] * 2


def test_an_empty_deck_is_an_error_and_a_closed_one_is_at_its_end() -> None:
    with pytest.raises(SourceError, match="no frame"):
        paced(ManualClock())
    source = paced(ManualClock(), 0, 40_000, loop=True)
    read(source)
    source.close()
    with pytest.raises(EndOfSource):
        source.read(1)


def test_the_scene_leaves_out_what_was_not_read_in_time() -> None:
    clock = ManualClock()
    scene = Scene(32, 32, fps=10)
    source = SceneSource(scene, clock=clock)
    assert read(source).frame.same_pixels(Scene(32, 32, fps=10).frame(0))
    clock.sleep_us(450_000)
    assert read(source).frame.same_pixels(Scene(32, 32, fps=10).frame(4))
    captured = read(source)
    assert captured.frame.same_pixels(Scene(32, 32, fps=10).frame(5))
    assert captured.captured_us == 10_500_000
    assert source.read(0.05) is None


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


def record(path: Path, codec: FakeCodec) -> list[Frame]:
    header = FileHeader("S", codec.model_hash, Fraction(25))
    shown, reference = [], None
    with ScvWriter.create(path, header) as writer:
        for number in range(3):
            encoded = codec.encode(grey(number * 50), reference, quality=63)
            assert encoded.packet is not None
            assert encoded.reference is not None
            reference = encoded.reference
            shown.append(reference.frame)
            writer.write(encoded.packet, timestamp_us=number * 40_000)
    return shown


def test_a_recording_plays_back_what_was_decoded(tmp_path: Path) -> None:
    codec = FakeCodec()
    shown = record(tmp_path / "a.scv", codec)
    sizes: list[str] = []

    def load(size: str) -> Codec:
        sizes.append(size)
        return codec

    source = open_source(str(tmp_path / "a.scv"), clock=ManualClock(), load_codec=load)
    frames = [captured.frame for _ in shown if (captured := source.read(1))]
    assert all(a.same_pixels(b) for a, b in zip(frames, shown, strict=True))
    assert sizes == ["S"]


def test_a_recording_goes_on_after_a_gap_and_after_damage(tmp_path: Path) -> None:
    codec, path, hour_us = FakeCodec(), tmp_path / "a.scv", 3_600_000_000
    with ScvWriter.create(path, FileHeader("S", codec.model_hash, Fraction(25))) as writer:
        reference = None
        for number in range(12):
            reference = reference if number % 4 else None
            encoded = codec.encode(grey(10 * number), reference, quality=63)
            assert encoded.packet is not None
            reference = encoded.reference
            packet = bytearray(encoded.packet)
            if number == 6:
                packet[-6] ^= 0xFF
            writer.write(bytes(packet), timestamp_us=40_000 * number + hour_us * (number >= 4))
    source = open_source(str(path), clock=ManualClock(), load_codec=lambda _size: codec)
    times = [captured.captured_us for _ in range(10) if (captured := source.read(1))]
    steps = np.diff(times)
    assert steps.tolist() == [40_000] * 5 + [120_000] + [40_000] * 3
    assert health_of(source).frames_damaged == 2


def test_a_recording_of_another_model_is_refused(tmp_path: Path) -> None:
    record(tmp_path / "a.scv", FakeCodec())
    with pytest.raises(SourceError, match="was made with model"):
        open_source(
            str(tmp_path / "a.scv"),
            clock=ManualClock(),
            load_codec=lambda _size: FakeCodec(model=b"other"),
        )


class Flaky:
    """A live source that gives frames until it fails."""

    name, height, fps, live = "camera:7", 32, 30.0, True

    def __init__(self, frames: int) -> None:
        self.width = 32
        self.frames = frames
        self.closed = False

    def read(self, timeout_s: float) -> CapturedFrame | None:
        if not self.frames:
            raise SourceError("camera:7: unplugged")
        self.frames -= 1
        return CapturedFrame(grey(self.frames), 0)

    def close(self) -> None:
        self.closed = True


def test_a_source_that_goes_is_opened_again_and_both_are_told() -> None:
    clock, told = ManualClock(), list[str]()
    opened: list[Flaky | None] = [Flaky(1), None, Flaky(2)]
    first = opened[0]

    def opener() -> Flaky:
        source = opened.pop(0)
        if source is None:
            raise SourceError("still gone")
        return source

    source = RetryingSource(opener, clock=clock, tell=told.append)
    read(source)
    while source.read(0.1) is None:
        assert clock.now_us() < 20_000_000
    assert told == [
        "camera:7: unplugged; trying again until it is back",
        "camera:7: back again",
    ]
    assert first is not None
    assert first.closed


def test_a_source_that_returns_with_another_size_tells_it() -> None:
    clock, sizes = ManualClock(), [32, 48]

    def opener() -> Flaky:
        source = Flaky(1)
        source.width = sizes.pop(0)
        return source

    source = RetryingSource(opener, clock=clock, tell=lambda _text: None)
    read(source)
    assert source.width == 32
    while source.read(0.1) is None:
        assert clock.now_us() < 20_000_000
    assert source.width == 48


def test_retries_become_rarer_and_never_stop() -> None:
    clock, tries = ManualClock(), list[int]()

    def opener() -> Flaky:
        tries.append(clock.now_us())
        if len(tries) > 1:
            raise SourceError("gone")
        return Flaky(0)

    source = RetryingSource(opener, clock=clock, tell=lambda _text: None)
    while clock.now_us() < 100_000_000:
        assert source.read(0.05) is None
        clock.sleep_us(1)
    pauses = np.diff(tries[1:])
    assert pauses.max() <= LONGEST_PAUSE_US + 100_000
    assert (np.diff(pauses) >= -100_000).all()
    assert len(tries) > 10


def test_the_first_opening_is_not_retried() -> None:
    def opener() -> Flaky:
        raise SourceError("no such device")

    with pytest.raises(SourceError, match="no such device"):
        RetryingSource(opener, clock=ManualClock(), tell=lambda _text: None)


def test_the_newest_frame_of_a_blocking_device_wins() -> None:
    go, grabbed, released = threading.Semaphore(0), threading.Semaphore(0), threading.Event()
    levels = iter(range(100))

    def grab() -> Frame:
        go.acquire()
        grabbed.release()
        return grey(next(levels))

    frames = LatestFrames("device", grab, release=released.set, clock=ManualClock())
    assert frames.read(0.0) is None
    go.release(3)
    for _ in range(3):
        grabbed.acquire()
    newest = -1
    while newest < 2:
        captured = frames.read(1.0)
        assert captured is not None
        newest = int(captured.frame.y[0, 0])
    go.release()
    frames.close()
    assert released.wait(5)
    with pytest.raises(EndOfSource):
        frames.read(0)


def test_an_error_of_a_blocking_device_reaches_the_reader_after_its_last_frame() -> None:
    frames_left = iter([grey(9)])

    def grab() -> Frame:
        frame = next(frames_left, None)
        if frame is None:
            raise SourceError("device: unplugged")
        return frame

    released = threading.Event()
    frames = LatestFrames("device", grab, release=released.set, clock=ManualClock())
    assert released.wait(5)
    captured = frames.read(1)
    assert captured is not None
    assert captured.frame.y[0, 0] == 9
    with pytest.raises(SourceError, match="unplugged"):
        frames.read(1)
    frames.close()


def test_a_device_that_is_lost_and_closed_is_freed_at_once() -> None:
    # A daemon whose camera flaps for weeks must not wait for the collector to give its memory back.
    class Device:
        def __init__(self) -> None:
            self.frames = LatestFrames(
                "device", self.grab, release=self.release, clock=ManualClock()
            )

        def grab(self) -> Frame:
            raise SourceError("device: unplugged")

        def release(self) -> None:
            pass

    device = Device()
    with pytest.raises(SourceError, match="unplugged"):
        device.frames.read(5)
    gone = weakref.ref(device)
    gc.disable()
    try:
        device.frames.close()
        del device
        assert gone() is None
    finally:
        gc.enable()


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


def test_a_lost_address_is_tried_ever_more_rarely_until_it_gave_frames_for_a_while() -> None:
    clock, tries = ManualClock(), list[int]()

    def opener() -> Flaky:
        tries.append(clock.now_us())
        return Flaky(1)

    source = RetryingSource(opener, clock=clock, tell=lambda _text: None, pauses=OF_ADDRESSES)
    while clock.now_us() < 100_000_000:
        source.read(0.05)
    pauses = np.diff(tries)
    assert np.allclose(pauses[:4], (500_000, 1_000_000, 2_000_000, 4_000_000), atol=60_000)
    assert np.allclose(pauses[4:], 5_000_000, atol=60_000)


def test_a_file_of_a_server_that_breaks_off_for_good_is_an_error() -> None:
    clock = ManualClock()

    class Half(Flaky):
        live = False

    opened = [Half(1)]

    def opener() -> Half:
        if not opened:
            raise SourceError("camera:7: gone")
        return opened.pop()

    source = RetryingSource(opener, clock=clock, tell=lambda _text: None, pauses=OF_ADDRESSES)
    read(source)
    with pytest.raises(SourceError, match="gone"):
        deque((source.read(0.5) for _ in range(400)), maxlen=0)


def test_the_health_of_a_source_outlives_its_openings() -> None:
    clock = ManualClock()

    class Sick(Flaky):
        health = SourceHealth(frames_damaged=2)

    source = RetryingSource(lambda: Sick(1), clock=clock, tell=lambda _text: None)
    while clock.now_us() < 12_000_000:
        source.read(0.05)
    lost = source.health.restarts
    assert lost > 2
    assert source.health.frames_damaged in (2 * lost, 2 * lost + 2)  # one may be open


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


class FakeScreen:
    """Stands for mss.mss(): one monitor of 160x90."""

    monitors = ({}, {"left": 0, "top": 0, "width": 160, "height": 90})

    def grab(self, area: dict[str, int]) -> SimpleNamespace:
        pixels = np.zeros((area["height"], area["width"], 4), np.uint8)
        pixels[..., 2] = 255  # BGRA: red
        return SimpleNamespace(width=160, height=90, raw=pixels.tobytes())

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(mss=FakeScreen, MSS=FakeScreen, ScreenShotError=RuntimeError)
    monkeypatch.setitem(sys.modules, "mss", module)
    monkeypatch.setenv("DISPLAY", ":0")


@pytest.mark.usefixtures("screen")
def test_the_screen_is_grabbed_at_its_pace_and_size() -> None:
    clock = ManualClock()
    source = open_source("screen:1:80x46@10", clock=clock)
    captured = [captured for _ in range(3) if (captured := source.read(1))]
    assert np.diff([c.captured_us for c in captured]).tolist() == [100_000] * 2
    assert (captured[0].frame.width, captured[0].frame.height) == (80, 46)
    assert captured[0].frame.v.mean() > 200
    source.close()


@pytest.mark.usefixtures("screen")
def test_a_monitor_that_is_not_there_is_told() -> None:
    with pytest.raises(SourceError, match="this machine has 1 monitor"):
        open_source("screen:3", clock=ManualClock())


def test_a_screen_without_a_display_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SourceError, match="no display"):
        open_source("screen:", clock=ManualClock())


def test_a_device_whose_library_raises_is_lost_with_a_sentence() -> None:
    def grab() -> Frame:
        raise cv2.error("OpenCV(5.0.0) /io/cap.cpp:1: error: (-2:Unspecified error) no frame")

    frames = LatestFrames("device", grab, release=lambda: None, clock=ManualClock())
    with pytest.raises(SourceError, match=r"^device: reading failed \(no frame\)$"):
        deque((frames.read(1) for _ in range(100)), maxlen=0)
    frames.close()
