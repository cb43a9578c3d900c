# SPDX-License-Identifier: Apache-2.0
"""Recordings sent again: identical packets with their own timing, whoever watches, and whenever."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import pytest

from services.errors import SourceError
from services.media.sinks.recording import RecordingSink
from services.sender.replay import Replay, ReplayConfig
from services.wire.endpoint import Endpoint
from streamcodec.container import FileHeader, Record, ScvReader, ScvWriter
from streamcodec.frame import Reference
from tests.fakes import FakeCodec, FakeSink, FakeSource, noise_frame
from tests.integration.cli import Command
from tests.integration.test_stream import (
    ANY_PORT,
    make_receiver,
    make_sender,
    running,
    wait_for,
    wait_for_frames,
)
from tests.integration.viewers import NullViewer

pytestmark = pytest.mark.live


@contextmanager
def replaying(
    path: Path, *, url: str = ANY_PORT, bind: bool = True, loop: bool = False
) -> Iterator[Replay]:
    replay = Replay(ReplayConfig(path, Endpoint(url, bind=bind), loop=loop))
    try:
        replay.start()
        yield replay
    finally:
        replay.stop()


def tape(path: Path) -> RecordingSink:
    return RecordingSink(path, fps=30.0, model_size="S")


def records(path: Path) -> list[Record]:
    with ScvReader(path) as reader:
        return list(reader.records())


def write_recording(path: Path, *, frames: int, keyframes: set[int], step_us: int = 20_000) -> Path:
    """A recording as a sender would have made it."""
    codec = FakeCodec()
    header = FileHeader("S", codec.model_hash, Fraction(30))
    reference: Reference | None = None
    with ScvWriter.create(path, header) as writer:
        for number in range(frames):
            before = None if number in keyframes else reference
            encoded = codec.encode(noise_frame(seed=3, shift=number % 40), before, quality=20)
            assert encoded.packet is not None
            reference = encoded.reference
            writer.write(encoded.packet, timestamp_us=number * step_us)
    return path


def test_record_replay_record_gives_identical_packets_and_times(tmp_path: Path) -> None:
    first, second = tmp_path / "first.scv", tmp_path / "second.scv"
    with running(sender := make_sender(source=FakeSource(fps=40.0, count=90, live=False))):
        receiver = make_receiver(sender.url, tape(first))
        with running(receiver):
            receiver.wait(10.0)
    made = records(first)
    assert len(made) > 60
    with replaying(first) as replay:
        receiver = make_receiver(replay.url, tape(second))
        with running(receiver):
            receiver.wait(10.0)
            assert receiver.ended
            assert replay.ended
    assert records(second) == made
    counted = replay.snapshot()
    assert counted.frames_encoded == len(made)
    assert counted.hostile_messages == counted.send_failures == 0


def test_the_times_of_a_recording_are_those_of_the_captures(tmp_path: Path) -> None:
    path = tmp_path / "tape.scv"
    captured: list[int] = []
    with running(sender := make_sender(source=FakeSource(fps=40.0, count=40, live=False))):
        sender.on_frame(lambda sent: captured.append(sent.captured_us))
        receiver = make_receiver(sender.url, tape(path))
        with running(receiver):
            receiver.wait(10.0)
    times = [record.timestamp_us for record in records(path)]
    begin = len(captured) - len(times)  # the recording may have begun at a later keyframe
    assert times == [at - captured[begin] for at in captured[begin:]]


def test_a_listening_receiver_is_served_too(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "tape.scv", frames=30, keyframes={0})
    sink = FakeSink()
    receiver = make_receiver(ANY_PORT, sink, bind=True)
    with running(receiver), replaying(path, url=receiver.url, bind=False):
        wait_for_frames(sink, 20)


def test_a_damaged_recording_ends_with_the_frame_it_broke_at(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "tape.scv", frames=20, keyframes={0})
    data = bytearray(path.read_bytes())
    with ScvReader(path) as reader:
        place = list(reader.places())[10]
    data[place.offset + 12] = 0  # version of the packet
    path.write_bytes(data)
    with replaying(path) as replay, NullViewer(replay.url) as viewer:
        with pytest.raises(SourceError, match="unreadable after frame 9"):
            replay.wait(10.0)
        assert viewer.frames <= 10


@pytest.mark.parametrize("content", [b"", b"\x89SCV\r\n\x1a\n", b"x" * 500])
def test_what_is_no_recording_is_refused_in_a_sentence(
    command: Command, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "odd.scv").write_bytes(content)
    outcome = command("send", "--source", "odd.scv")
    assert outcome.code == 5
    assert "odd.scv" in outcome.sentence


def test_send_replays_a_recording_and_ends_with_it(command: Command, tmp_path: Path) -> None:
    write_recording(tmp_path / "tape.scv", frames=10, keyframes={0})
    receiver = make_receiver(ANY_PORT, tape(tmp_path / "again.scv"), bind=True)
    with running(receiver):
        outcome = command("send", "--source", "tape.scv", "--connect", receiver.url, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["framesEncoded"] == 10
    assert records(tmp_path / "again.scv") == records(tmp_path / "tape.scv")


def test_a_rate_and_packets_as_they_are_exclude_one_another(
    command: Command, tmp_path: Path
) -> None:
    write_recording(tmp_path / "tape.scv", frames=2, keyframes={0})
    outcome = command("send", "--source", "tape.scv", "--kbps", 100)
    assert outcome.code == 3
    assert "--recode" in outcome.sentence


def test_a_replay_needs_neither_networks_nor_a_video_library() -> None:
    code = "import sys, services.sender.assemble_replay, services.commands.stream; "
    code += "heavy = {'torch', 'streamcodec._core', 'av', 'aiohttp'} & set(sys.modules); "
    code += "assert not heavy, heavy"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_full_disk_ends_the_recording_with_one_message_and_the_stream_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tape.scv"
    written = ScvWriter.write

    def write(self: ScvWriter, packet: bytes, *, timestamp_us: int) -> None:
        if self.frames >= 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        written(self, packet, timestamp_us=timestamp_us)

    monkeypatch.setattr(ScvWriter, "write", write)
    sink = FakeSink()
    with running(sender := make_sender()):
        receiver = make_receiver(sender.url, sink, tape(path))
        with running(receiver):
            wait_for(lambda: any(e.name == "recording_failed" for e in receiver.events()))
            wait_for_frames(sink, len(sink.frames) + 20)
            told = [e.text for e in receiver.events() if e.name == "recording_failed"]
    assert len(told) == 1
    assert "the disk is full; the 10 frames before are saved" in told[0]
    assert len(records(path)) == 10
