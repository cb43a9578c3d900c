# SPDX-License-Identifier: Apache-2.0
"""Files coded and decoded: nothing is claimed that is not there, and times rule."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import cv2
import numpy as np
import pytest

from services.errors import ConfigError, SinkError, SourceError
from services.files.decoding import decode_file
from services.files.description import describe_file
from services.files.encoding import EncodeTarget, encode_file
from services.files.summary import Coded
from streamcodec.container import FileHeader, ScvReader, ScvWriter
from streamcodec.frame import Frame
from tests.fakes import FakeCodec
from tests.unit.services.media.files.test_video import write


def encode(source: Path, target: Path, encode_target: EncodeTarget | None = None) -> Coded:
    return encode_file(
        FakeCodec(),
        str(source),
        target,
        encode_target or EncodeTarget(quality=40),
        limit=None,
        progress=lambda *_: None,
        stopped=Event(),
    )


def decode(source: Path, target: Path) -> Coded:
    return decode_file(
        FakeCodec(),
        source,
        str(target),
        limit=None,
        progress=lambda *_: None,
        stopped=Event(),
    )


def recording(path: Path, times_us: list[int], fps: int = 30, every: int = 1000) -> None:
    """Pictures of rising grey at these times, under a header that says `fps`."""
    codec, reference = FakeCodec(), None
    with ScvWriter.create(path, FileHeader("S", codec.model_hash, Fraction(fps))) as writer:
        for number, time_us in enumerate(times_us):
            level = np.full((48, 64), 40 + 3 * number, np.uint8)
            reference = None if number % every == 0 else reference
            encoded = codec.encode(Frame.grey(level), reference, quality=63)
            assert encoded.packet is not None
            reference = encoded.reference
            writer.write(encoded.packet, timestamp_us=time_us)


def lasting(path: Path) -> tuple[int, float]:
    """Pictures of a video, and how long they last, as FFmpeg sees it."""
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        count = sum(1 for _ in container.decode(video=0))
    assert rate is not None
    return count, float(count / rate)


def test_decoding_into_a_scv_file_is_refused(tmp_path: Path) -> None:
    recording(tmp_path / "a.scv", [0, 40_000])
    with pytest.raises(ConfigError, match=r"b\.scv: decode writes pictures and videos"):
        decode(tmp_path / "a.scv", tmp_path / "b.scv")
    assert not (tmp_path / "b.scv").exists()


def test_figures_of_info_and_encode_agree_for_pictures_of_mixed_sizes(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, (width, height) in enumerate([(64, 48), (64, 48), (128, 96), (32, 32)]):
        pixels = np.full((height, width, 3), 60 * number, np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
    told = encode(folder, tmp_path / "a.scv").as_json()
    found = describe_file(tmp_path / "a.scv")
    same = ("frames", "keyframes", "bytes", "bpp", "kbps", "fps", "seconds", "frame_bytes")
    assert {name: told[name] for name in same} == {name: found[name] for name in same}
    assert (found["width"], found["height"]) == (64, 48)


def test_a_recording_is_as_long_in_y4m_as_its_times_say(tmp_path: Path) -> None:
    recording(tmp_path / "a.scv", [round(n * 1e6 / 12) for n in range(36)], fps=30)
    decode(tmp_path / "a.scv", tmp_path / "a.y4m")
    assert lasting(tmp_path / "a.y4m") == (36, 3.0)


@pytest.mark.parametrize("count", [6, 14, 70])
def test_unrest_of_a_live_recording_does_not_change_its_rate(tmp_path: Path, count: int) -> None:
    unrest = np.random.default_rng(5).integers(-8000, 8000, count)
    times = [round(n * 1e6 / 12) + int(unrest[n]) for n in range(count)]
    recording(tmp_path / "a.scv", [time - times[0] for time in times], fps=12)
    decode(tmp_path / "a.scv", tmp_path / "a.y4m")
    with av.open(str(tmp_path / "a.y4m")) as container:
        assert container.streams.video[0].average_rate == 12
    assert lasting(tmp_path / "a.y4m")[0] == count


def test_a_varying_pace_keeps_its_length_and_its_pictures_in_y4m(tmp_path: Path) -> None:
    times = [*range(0, 1_000_000, 100_000), *range(1_000_000, 2_000_000, 50_000)]
    recording(tmp_path / "a.scv", times, fps=30)
    decode(tmp_path / "a.scv", tmp_path / "a.y4m")
    count, seconds = lasting(tmp_path / "a.y4m")
    assert (count, seconds) == (40, 2.0)
    with av.open(str(tmp_path / "a.y4m")) as container:
        levels = {int(p.to_ndarray()[0, 0]) for p in container.decode(video=0)}
    assert len(levels) == len(times)


def test_a_time_lapse_is_coded_with_its_times(tmp_path: Path) -> None:
    write(tmp_path / "a.mkv", [n * 2_000_000 for n in range(3)], rate=Fraction(1, 2000))
    encode(tmp_path / "a.mkv", tmp_path / "a.scv")
    with ScvReader(tmp_path / "a.scv") as reader:
        assert [place.timestamp_us for place in reader.places()] == [0, 2 * 10**9, 4 * 10**9]


def test_a_damaged_packet_costs_the_pictures_up_to_the_next_keyframe(tmp_path: Path) -> None:
    path = tmp_path / "a.scv"
    recording(path, [n * 40_000 for n in range(20)], every=5)
    with ScvReader(path) as reader:
        place = list(reader.places())[7]
    data = bytearray(path.read_bytes())
    data[place.offset + 12 + place.packet_bytes - 6] ^= 0xFF
    path.write_bytes(data)
    report = decode(path, tmp_path / "out.y4m")
    assert report.as_json()["frames"] == 17
    assert report.as_json()["frames_damaged"] == 3
    assert lasting(tmp_path / "out.y4m")[1] == pytest.approx(0.8)


def test_an_end_that_cannot_be_decoded_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.scv"
    recording(path, [n * 40_000 for n in range(6)])
    with ScvReader(path) as reader:
        place = list(reader.places())[4]
    data = bytearray(path.read_bytes())
    data[place.offset + 12 + place.packet_bytes - 6] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"frame 4 is damaged .* were written"):
        decode(path, tmp_path / "out.y4m")
    assert lasting(tmp_path / "out.y4m")[0] == 4


def test_what_a_fragmented_file_declares_does_not_change_the_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [n * 40 for n in range(60)])
    with av.open(str(tmp_path / "a.mp4")) as source:
        options = {"movflags": "frag_keyframe+empty_moov"}
        with av.open(str(tmp_path / "f.mp4"), "w", options=options) as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    target.mux(packet)
    reports = [
        encode(tmp_path / name, tmp_path / f"{name}.scv", EncodeTarget(kbps=30)).as_json()
        for name in ("a.mp4", "f.mp4")
    ]
    assert reports[0]["frame_bytes"] == reports[1]["frame_bytes"]


def test_the_rate_is_kept_when_the_pace_varies(tmp_path: Path) -> None:
    times = [*range(0, 2000, 200), *range(2000, 4000, 20)]
    write(tmp_path / "a.mkv", times)
    report = encode(tmp_path / "a.mkv", tmp_path / "a.scv", EncodeTarget(kbps=20)).as_json()
    kbps = report["kbps"]
    assert isinstance(kbps, float)
    assert kbps <= 21


def test_a_library_that_raises_while_writing_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording(tmp_path / "a.scv", [0])

    def raising(*_: object) -> None:
        raise cv2.error("OpenCV(5.0.0) /io/x.cpp:79: error: (-215:Assertion failed) no")

    monkeypatch.setattr(cv2, "imencode", raising)
    with pytest.raises(SinkError, match=r"a\.png: cannot be written \(no\)"):
        decode(tmp_path / "a.scv", tmp_path / "a.png")
