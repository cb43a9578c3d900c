# SPDX-License-Identifier: Apache-2.0
"""Sinks: what goes in comes back, and a file that takes no more keeps what it had."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from services.errors import SinkError
from services.media.files.reader import open_material
from services.media.sinks import NullSink, Sink, open_sink
from services.media.sinks import video as video_module
from services.media.sinks.sink import StreamFacts
from services.receiver.assemble import beside
from streamcodec.container import ScvReader
from streamcodec.frame import Frame, Reference
from streamcodec.metrics import psnr611
from tests.fakes import FakeCodec


def picture(number: int, width: int = 64, height: int = 48) -> Frame:
    rng = np.random.default_rng(number)
    noise = rng.normal(0, 255, (height, width, 3))
    smooth = np.clip(cv2.GaussianBlur(noise, (0, 0), 4) * 3 + 128, 0, 255)
    return Frame.from_bgr(smooth.astype(np.uint8))


def fill(sink: Sink, frames: list[Frame], step_us: int = 40_000) -> None:
    for number, frame in enumerate(frames):
        sink.write(frame, shown_us=1_000_000 + number * step_us)
    sink.close()
    sink.close()


def coded(count: int, codec: FakeCodec | None = None) -> list[tuple[Frame, bytes]]:
    codec = codec or FakeCodec()
    reference: Reference | None = None
    result = []
    for number in range(count):
        encoded = codec.encode(picture(number), reference, quality=40)
        assert encoded.packet is not None
        assert encoded.reference is not None
        reference = encoded.reference
        result.append((reference.frame, encoded.packet))
    return result


@pytest.mark.parametrize(("width", "height"), [(64, 48), (63, 47)])
def test_y4m_keeps_every_sample_and_the_rate(tmp_path: Path, width: int, height: int) -> None:
    frames = [picture(n, width, height) for n in range(3)]
    path = tmp_path / "a.y4m"
    fill(open_sink(str(path), fps=29.97), frames)
    material = open_material(path)
    back = [timed.frame for timed in material.frames]
    assert material.fps == pytest.approx(29.97, abs=0.01)
    assert all(a.same_pixels(b) for a, b in zip(frames, back, strict=True))


def test_y4m_on_standard_output_is_the_same_stream(tmp_path: Path) -> None:
    code = """
        from services.media.sinks import open_sink
        from services.media.scene import Scene
        scene, sink = Scene(32, 32), open_sink("-", fps=25)
        for n in range(2):
            sink.write(scene.frame(n), shown_us=n)
        sink.close()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, check=True, timeout=60
    )
    assert done.stdout.startswith(b"YUV4MPEG2 W32 H32 F25:1 ")
    assert len(done.stdout) == done.stdout.index(b"\n") + 1 + 2 * (6 + 32 * 32 * 3 // 2)


def test_mp4_keeps_pictures_and_pauses(tmp_path: Path) -> None:
    frames = [picture(n) for n in range(3)]
    path = tmp_path / "a.mp4"
    sink = open_sink(str(path), fps=25)
    for frame, shown_us in zip(frames, (5_000_000, 5_040_000, 5_500_000), strict=True):
        sink.write(frame, shown_us=shown_us)
    sink.close()
    back = list(open_material(path).frames)
    assert [round(timed.time_us, -3) for timed in back] == [0, 40_000, 500_000]
    assert min(psnr611(a, b.frame) for a, b in zip(frames, back, strict=True)) > 38


def test_mp4_takes_odd_sizes_and_sizes_that_change(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    fill(open_sink(str(path), fps=25), [picture(0, 63, 47), picture(1, 126, 94)])
    back = [timed.frame for timed in open_material(path).frames]
    assert [(frame.width, frame.height) for frame in back] == [(64, 48), (64, 48)]


def test_mp4_of_a_killed_writer_plays_its_whole_seconds(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    code = f"""
        import os, signal
        from services.media.sinks import open_sink
        from services.media.scene import Scene
        scene, sink = Scene(64, 48), open_sink({str(path)!r}, fps=10)
        for n in range(35):
            sink.write(scene.frame(n), shown_us=n * 100_000)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, timeout=60)
    assert len(list(open_material(path).frames)) >= 20


def test_pictures_are_numbered_on_from_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    frames = [picture(n) for n in range(3)]
    fill(open_sink(f"{folder}/"), frames[:2])
    fill(open_sink(str(folder)), frames[2:])
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["frame_000001.png", "frame_000002.png", "frame_000003.png"]
    assert np.array_equal(cv2.imread(str(folder / names[2])), frames[2].to_bgr())


def test_a_recording_holds_the_packets(tmp_path: Path) -> None:
    path = tmp_path / "a.scv"
    sink = open_sink(str(path), fps=25, model_size="M")
    stream = coded(3)
    for number, (frame, packet) in enumerate(stream):
        sink.write(frame, shown_us=7_000_000 + number * 40_000, packet=packet)
    sink.close()
    with ScvReader(path) as reader:
        records = list(reader.records())
        assert (reader.header.size, reader.header.fps) == ("M", 25)
        assert reader.header.model_hash == FakeCodec().model_hash
    assert [record.packet for record in records] == [packet for _, packet in stream]
    assert [record.timestamp_us for record in records] == [0, 40_000, 80_000]


def test_a_recording_starts_at_a_keyframe_and_leaves_out_what_does_not_follow(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.scv"
    first, second = coded(4), coded(2, FakeCodec())
    sink = open_sink(str(path), fps=25)
    order = [first[1], first[0], first[1], first[3], first[2], second[0], second[1], first[2]]
    for number, (frame, packet) in enumerate(order):
        sink.write(frame, shown_us=number, packet=packet)
    sink.write(first[0][0], shown_us=99)
    sink.close()
    codec, reference = FakeCodec(), None
    with ScvReader(path) as reader:
        assert reader.frames == 6
        for record in reader.records():
            _, reference = codec.decode(record.packet, reference)


def test_a_second_recording_continues_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.scv"
    for start_us in (5_000_000, 1_000):
        sink = open_sink(str(path), fps=25)
        for number, (frame, packet) in enumerate(coded(2)):
            sink.write(frame, shown_us=start_us + number * 40_000, packet=packet)
        sink.close()
    with ScvReader(path) as reader:
        times = [record.timestamp_us for record in reader.records()]
    assert times == [0, 40_000, 80_000, 120_000]


def test_a_recording_without_frames_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.scv"
    sink = open_sink(str(path), fps=25)
    assert not path.exists()  # who is killed now leaves nothing that does not play
    sink.close()
    assert not path.exists()


def test_a_file_that_is_no_recording_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.scv"
    path.write_bytes(b"something dear")
    with pytest.raises(SinkError, match="is not a recording"):
        open_sink(str(path), fps=25)
    assert path.read_bytes() == b"something dear"


def test_a_recording_of_another_model_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "a.scv"
    fill_one = coded(1)[0]
    sink = open_sink(str(path), fps=25)
    sink.write(fill_one[0], shown_us=0, packet=fill_one[1])
    sink.close()
    frame, packet = coded(1, FakeCodec(model=b"other"))[0]
    with pytest.raises(SinkError, match="another model"):
        open_sink(str(path), fps=25).write(frame, shown_us=0, packet=packet)


def run_script(script: str) -> str:
    """What a process of its own prints, whose files may be limited; it says nothing else."""
    imports = """
        import resource
        from services.errors import SinkError
        from services.media.sinks import open_sink
        from tests.unit.services.media.sinks.test_sinks import coded
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(imports) + textwrap.dedent(script)],
        capture_output=True,
        check=True,
        text=True,
        timeout=100,
    )
    assert done.stderr == ""
    return done.stdout


def test_a_file_that_may_grow_no_more_ends_with_a_sentence_and_keeps_its_frames(
    tmp_path: Path,
) -> None:
    script = f"""
        stream = coded(60)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
        for suffix in ("scv", "mp4", "y4m"):
            sink = open_sink({str(tmp_path)!r} + "/a." + suffix, fps=5)
            try:
                for round in range(20):
                    for n, (frame, packet) in enumerate(stream):
                        sink.write(frame, shown_us=(round * 60 + n) * 200_000, packet=packet)
            except SinkError as error:
                print(error)
            sink.close()
    """
    sentences = run_script(script).splitlines()
    for suffix, sentence in zip(("scv", "mp4", "y4m"), sentences, strict=True):
        assert f"a.{suffix}: cannot be written (File too large); the " in sentence
        assert sentence.endswith("frames before are saved")
    with ScvReader(tmp_path / "a.scv") as reader:
        assert len(list(reader.records())) == reader.frames > 10
    for suffix, sentence in zip(("mp4", "y4m"), sentences[1:], strict=True):
        frames = len(list(open_material(tmp_path / f"a.{suffix}").frames))
        assert frames >= 5
        assert f"; the {frames} frames before" in sentence  # no more is claimed than is there


@pytest.mark.parametrize("limit", [20_000, 9_000, 0])
def test_a_video_whose_end_finds_no_room_says_so(tmp_path: Path, limit: int) -> None:
    """The encoder and the container hold frames back: the disk may be full at the very end."""
    script = f"""
        stream = coded(25)
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        sink = open_sink({str(tmp_path)!r} + "/a.mp4", fps=10)
        try:
            for n, (frame, packet) in enumerate(stream):
                sink.write(frame, shown_us=n * 100_000)
            sink.close()
        except SinkError as error:
            print(error)
        sink.close()
    """
    told = run_script(script)
    assert re.search(r"a.mp4: (the disk is full|cannot be written \(File too large\)); ", told)
    saved = re.search(r"the (\d+) frames before are saved", told)
    if saved:
        assert len(list(open_material(tmp_path / "a.mp4").frames)) == int(saved[1]) < 25
    else:
        assert "nothing was written" in told


@pytest.mark.parametrize("spec", ["no/such/folder/a.y4m", "no/such/folder/a.mp4", "no/such/a.scv"])
def test_a_path_that_cannot_be_written_is_told(tmp_path: Path, spec: str) -> None:
    with pytest.raises(SinkError, match="cannot be written \\(No such file or directory\\)"):
        open_sink(str(tmp_path / spec), fps=25)


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(SinkError, match=r"a\.avi: unknown kind of sink; expected window"):
        open_sink("a.avi")


def test_a_window_without_a_display_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SinkError, match="no display"):
        open_sink("window")


def test_null_takes_everything() -> None:
    sink = open_sink("null")
    assert isinstance(sink, NullSink)
    fill(sink, [picture(0)])


def test_a_y4m_lasts_as_long_as_the_stream_whatever_its_pace(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    sink = open_sink(str(path), fps=30)
    sink.set_stream(StreamFacts(10, "S"))  # type: ignore[attr-defined]  # of files
    for time_us in (0, 100_000, 180_000, 700_000, 800_000):
        sink.write(picture(0), shown_us=5_000_000 + time_us)
    for number in range(1, 41):  # four times as fast as told
        sink.write(picture(0), shown_us=5_800_000 + number * 25_000)
    sink.close()
    material = open_material(path)
    assert material.fps == 10
    assert len(list(material.frames)) == pytest.approx(18, abs=2)


def test_an_hour_without_pictures_does_not_fill_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    sink = open_sink(str(path), fps=25)
    for time_us in (0, 40_000, 3_600_000_000, 3_600_040_000):
        sink.write(picture(0), shown_us=time_us)
    sink.close()
    assert len(list(open_material(path).frames)) == 4


def test_unrest_of_less_than_a_frame_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    sink = open_sink(str(path), fps=25)
    for number in range(50):
        sink.write(picture(0), shown_us=number * 40_000 + (number * 7919) % 39_000)
    sink.close()
    assert len(list(open_material(path).frames)) == 50


def test_a_recording_of_before_is_not_emptied(tmp_path: Path) -> None:
    old = tmp_path / "a.mp4"
    old.write_bytes(b"a recording")
    assert beside(str(old)) == str(tmp_path / "a-2.mp4")
    (tmp_path / "a-2.mp4").write_bytes(b"another")
    assert beside(str(old)) == str(tmp_path / "a-3.mp4")
    assert beside(str(tmp_path / "new.mp4")) == str(tmp_path / "new.mp4")
    assert beside(str(tmp_path / "a.scv")) == str(tmp_path / "a.scv")
    (tmp_path / "empty.y4m").touch()
    assert beside(str(tmp_path / "empty.y4m")) == str(tmp_path / "empty.y4m")


def test_an_output_whose_library_raises_ends_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = open_sink(str(tmp_path / "a.mp4"), fps=25)

    def raising(*_: object, **__: object) -> None:
        raise av.error.ProtocolNotFoundError(1330794744, "Protocol not found")

    monkeypatch.setattr(video_module, "from_frame", raising)
    with pytest.raises(SinkError, match=r"a\.mp4: cannot be written \(Protocol not found\)"):
        sink.write(picture(0), shown_us=0)


def test_a_recording_notes_the_pace_of_its_stream(tmp_path: Path) -> None:
    path = tmp_path / "a.scv"
    sink = open_sink(str(path), fps=30, model_size="S")
    sink.set_stream(StreamFacts(12, "S"))  # type: ignore[attr-defined]  # of files
    encoded = FakeCodec().encode(picture(0), None, quality=20)
    assert encoded.packet is not None
    sink.write(picture(0), shown_us=0, packet=encoded.packet)
    sink.close()
    with ScvReader(path) as reader:
        assert reader.header.fps == 12


def test_a_recording_notes_the_size_of_its_stream_and_refuses_another_model(tmp_path: Path) -> None:
    path = tmp_path / "a.scv"
    sink = open_sink(str(path), fps=30, model_size="S")
    sink.set_stream(StreamFacts(30, "M"))  # type: ignore[attr-defined]  # of files
    first, other = (
        FakeCodec(model=name).encode(picture(0), None, quality=20).packet for name in (b"m", b"s")
    )
    sink.write(picture(0), shown_us=0, packet=first)
    with pytest.raises(SinkError, match="another model"):
        sink.write(picture(0), shown_us=33_000, packet=other)
    sink.close()
    with ScvReader(path) as reader:
        assert reader.header.size == "M"
        assert reader.frames == 1
