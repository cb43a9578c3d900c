# SPDX-License-Identifier: Apache-2.0
"""A device that blocks has a thread of its own, and its newest frame wins."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import deque

import cv2
import pytest

from services.errors import EndOfSource, SourceError
from services.media.sources.latest import LatestFrames
from streamcodec.frame import Frame
from tests.unit.services.media.sources.clocks import ManualClock, grey


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


def test_a_device_whose_library_raises_is_lost_with_a_sentence() -> None:
    def grab() -> Frame:
        raise cv2.error("OpenCV(5.0.0) /io/cap.cpp:1: error: (-2:Unspecified error) no frame")

    frames = LatestFrames("device", grab, release=lambda: None, clock=ManualClock())
    with pytest.raises(SourceError, match=r"^device: reading failed \(no frame\)$"):
        deque((frames.read(1) for _ in range(100)), maxlen=0)
    frames.close()
