# SPDX-License-Identifier: Apache-2.0
"""A rotated recording loses no frame, begins each file with a keyframe, and leaves room."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import SinkError
from services.media.sinks import open_sink
from services.media.sinks.rotating import RotatingSink, Rotation
from streamcodec.container import ScvReader
from streamcodec.frame import Reference
from tests.fakes import FakeCodec, noise_frame


def packets(count: int, *, keyframes: set[int]) -> list[bytes]:
    codec, reference, found = FakeCodec(), None, list[bytes]()
    for number in range(count):
        held: Reference | None = None if number in keyframes else reference
        coded = codec.encode(noise_frame(shift=number), held, quality=20)
        assert coded.packet is not None
        reference = coded.reference
        found.append(coded.packet)
    return found


def rotating(folder: Path, rotation: Rotation, *, free_bytes: int = 10**12) -> RotatingSink:
    return RotatingSink(
        folder / "door.scv",
        rotation,
        lambda path: open_sink(str(path), fps=30.0),
        stamp=lambda: "20260131-235959",
        free_bytes=lambda _: free_bytes,
    )


def recorded(folder: Path) -> list[list[bytes]]:
    found = []
    for path in sorted(folder.glob("*.scv"), key=lambda path: (len(path.name), path.name)):
        with ScvReader(path) as reader:
            found.append([record.packet for record in reader.records()])
    return found


def test_files_follow_each_other_without_a_gap_and_begin_with_keyframes(tmp_path: Path) -> None:
    stream = packets(30, keyframes={0, 13, 24})
    sink = rotating(tmp_path, Rotation(every_us=10_000))
    asked: list[int] = []
    sink.want_keyframe = lambda: asked.append(1)
    for number, packet in enumerate(stream):
        sink.write(noise_frame(), shown_us=number * 1000, packet=packet)
    sink.close()
    assert recorded(tmp_path) == [stream[:13], stream[13:24], stream[24:]]
    assert len(asked) == 2


def test_size_counts_too(tmp_path: Path) -> None:
    stream = packets(6, keyframes={0, 3})
    sink = rotating(tmp_path, Rotation(every_bytes=1))
    for number, packet in enumerate(stream):
        sink.write(noise_frame(), shown_us=number * 1000, packet=packet)
    sink.close()
    assert recorded(tmp_path) == [stream[:3], stream[3:]]


def test_a_disk_without_room_ends_the_recording_with_a_sentence(tmp_path: Path) -> None:
    (packet,) = packets(1, keyframes={0})
    sink = rotating(tmp_path, Rotation(keep_free_bytes=10**9), free_bytes=10**8)
    with pytest.raises(SinkError, match="1000 MB"):
        sink.write(noise_frame(), shown_us=0, packet=packet)
    sink.close()
