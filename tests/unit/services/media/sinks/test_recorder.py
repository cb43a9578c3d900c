# SPDX-License-Identifier: Apache-2.0
"""Recordings hold whole chains, and a disk that fails costs the recording only."""

from __future__ import annotations

import threading
from itertools import pairwise

from services.errors import SinkError
from services.media.sinks.recorder import QUEUE_FRAMES, Recorder, TapeClock
from services.media.sinks.sink import Sink
from streamcodec.frame import Frame
from tests.fakes import FakeSink, noise_frame

FRAME = noise_frame()


class StuckSink(FakeSink):
    """A disk that hangs until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.reached = threading.Event()

    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        self.reached.set()
        self.go_on.wait(10.0)
        super().write(frame, shown_us=shown_us, packet=packet)


class FullDisk(FakeSink):
    """A disk without room."""

    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        raise SinkError("the disk is full")


def put(recorder: Recorder, packet: bytes, *, keyframe: bool = False) -> None:
    recorder.put(FRAME, shown_us=0, packet=packet, keyframe=keyframe)


def ignore(sink: Sink, error: SinkError) -> None:
    raise AssertionError(f"unexpected: {error}")


def test_a_recording_starts_at_a_keyframe_and_misses_nothing_after_it() -> None:
    sink = FakeSink()
    recorder = Recorder(sink, on_error=ignore)
    put(recorder, b"before")
    put(recorder, b"key", keyframe=True)
    for number in range(20):
        put(recorder, b"%d" % number)
    recorder.stop()
    assert sink.packets == [b"key", *(b"%d" % number for number in range(20))]
    assert recorder.dropped == 1


def test_after_an_overflow_it_goes_on_at_the_next_keyframe() -> None:
    sink = StuckSink()
    recorder = Recorder(sink, on_error=ignore)
    put(recorder, b"key", keyframe=True)
    assert sink.reached.wait(5.0)
    for number in range(QUEUE_FRAMES + 5):
        put(recorder, b"%d" % number)
    assert recorder.dropped == 5
    sink.go_on.set()
    while not len(sink.packets) > QUEUE_FRAMES:
        threading.Event().wait(0.005)
    put(recorder, b"lost")
    put(recorder, b"key again", keyframe=True)
    recorder.stop()
    assert sink.packets[-2:] == [b"%d" % (QUEUE_FRAMES - 1), b"key again"]


def test_a_full_disk_is_reported_once_and_stops_the_recording() -> None:
    errors: list[str] = []
    recorder = Recorder(FullDisk(), on_error=lambda _, error: errors.append(str(error)))
    for _ in range(5):
        put(recorder, b"key", keyframe=True)
    recorder.stop()
    assert errors == ["the disk is full"]


def test_times_of_a_recording_are_as_far_apart_as_the_captures() -> None:
    clock = TapeClock()
    captured = (50, 33_050, 66_051, 99_999)
    decoded = (9_000_000, 9_061_000, 9_062_000, 9_150_000)
    times = [clock.time_us(1, at, now_us=now) for at, now in zip(captured, decoded, strict=True)]
    assert [b - a for a, b in pairwise(times)] == [b - a for a, b in pairwise(captured)]


def test_another_clock_goes_on_where_we_are_and_never_back() -> None:
    clock = TapeClock()
    first = clock.time_us(1, 700_000_000, now_us=1_000_000)
    restarted = clock.time_us(2, 50, now_us=1_500_000)
    jumped = clock.time_us(2, 2**62, now_us=1_600_000)
    back = clock.time_us(3, 50, now_us=1_400_000)
    assert (first, restarted, jumped, back) == (1_000_000, 1_500_000, 1_600_000, 1_600_000)
