# SPDX-License-Identifier: Apache-2.0
"""Videos: damage costs a picture, stamps rule, the right stream is taken; FFmpeg is the truth."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from services.errors import SourceError
from services.media.avframes import from_frame
from services.media.files.reader import open_material
from streamcodec.frame import Frame


def picture(level: int, width: int = 64, height: int = 48) -> av.VideoFrame:
    return from_frame(Frame.grey(np.full((height, width), level, np.uint8)))


def write(
    path: Path,
    times_ms: list[int],
    *,
    codec: str = "libx264",
    layout: str = "yuv420p",
    rate: Fraction = Fraction(25),
    aspect: Fraction | None = None,
    container_format: str | None = None,
) -> list[tuple[int, bytes]]:
    """A clip whose frames are 40, 41, 42 ... grey, at these times; returns its packets."""
    packets = []
    with av.open(str(path), "w", format=container_format) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, layout
        stream.codec_context.time_base = Fraction(1, 1000)
        if codec == "libx264":
            stream.codec_context.max_b_frames = 0
            stream.codec_context.gop_size = 10
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for number, time_ms in enumerate(times_ms):
            frame = picture(40 + number).reformat(format=layout)
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            for packet in stream.encode(frame):
                packets.append((packet.size, bytes(packet)))
                container.mux(packet)
        for packet in stream.encode(None):
            packets.append((packet.size, bytes(packet)))
            container.mux(packet)
    return packets


def times_of(path: Path) -> list[int]:
    return [timed.time_us for timed in open_material(path).frames]


def mjpeg(path: Path, frames: int, spoilt: dict[int, float]) -> None:
    """A motion JPEG clip; of a spoilt picture only this part is there, the rest is zeros."""
    packets = write(path, [n * 40 for n in range(frames)], codec="mjpeg", layout="yuvj420p")
    data = bytearray(path.read_bytes())
    at = 0
    for number, (size, packet) in enumerate(packets):
        at = data.index(packet, at)
        kept = round(size * spoilt.get(number, 1))
        data[at + kept : at + size] = bytes(size - kept)
        at += size
    path.write_bytes(data)


@pytest.mark.parametrize("part", [0.0, 0.5])
def test_a_damaged_picture_is_left_out_and_counted(tmp_path: Path, part: float) -> None:
    mjpeg(tmp_path / "a.avi", 20, {7: part, 12: part})
    material = open_material(tmp_path / "a.avi")
    levels = [round(float(timed.frame.y.mean())) for timed in material.frames]
    right = [n for n in range(20) if n not in (7, 12)]
    assert len(levels) == len(right)
    assert np.abs(np.diff(levels) - np.diff(right)).max() <= 1
    assert material.damaged() == 2


def test_a_damaged_picture_leaves_its_time_free(tmp_path: Path) -> None:
    mjpeg(tmp_path / "a.avi", 6, {2: 0.0})
    assert times_of(tmp_path / "a.avi") == [0, 40_000, 120_000, 160_000, 200_000]


def test_a_file_that_breaks_off_tells_so_after_its_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    packets = write(path, [n * 40 for n in range(20)], codec="mjpeg", layout="yuvj420p")
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(packets[0][1][:20]) - 1500])
    frames = []
    with pytest.raises(SourceError, match=r"a\.avi: unreadable after frame \d+"):
        frames.extend(open_material(path).frames)
    assert len(frames) >= 8


def test_an_end_that_nobody_can_decode_is_told(tmp_path: Path) -> None:
    mjpeg(tmp_path / "a.avi", 20, dict.fromkeys(range(15, 20), 0.0))
    frames = []
    with pytest.raises(SourceError, match="unreadable after frame 15"):
        frames.extend(open_material(tmp_path / "a.avi").frames)
    assert len(frames) == 15


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv", "ts"])
def test_times_are_those_of_the_stream_in_every_container(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    times = [0, 40, 80, 280, 320, 1320, 1360]
    write(path, times, container_format={"ts": "mpegts"}.get(suffix))
    assert np.allclose(times_of(path), np.array(times) * 1000, atol=1000)


@pytest.mark.parametrize(("after_ms", "suffix"), [(3_600_000, "mkv"), (3_600_000, "mp4")])
def test_a_jump_of_an_hour_is_one_frame(tmp_path: Path, after_ms: int, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    write(path, [*range(0, 400, 40), *range(after_ms, after_ms + 400, 40)])
    assert np.allclose(times_of(path), [n * 40_000 for n in range(20)], atol=1000)


def test_two_recordings_in_one_transport_stream_follow_one_another(tmp_path: Path) -> None:
    for name in ("a.ts", "b.ts"):
        write(tmp_path / name, list(range(0, 400, 40)), container_format="mpegts")
    joined = tmp_path / "c.ts"
    joined.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    times = times_of(joined)
    with av.open(str(joined)) as container:
        assert len(times) == sum(1 for _ in container.decode(video=0))
    assert max(np.diff(times)) <= 80_000
    assert min(np.diff(times)) > 0


def test_a_time_lapse_keeps_its_pace(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write(path, [n * 2_000_000 for n in range(4)], rate=Fraction(1, 2000))
    assert times_of(path) == [n * 2_000_000_000 for n in range(4)]
    assert open_material(path).rate == Fraction(1, 2000)


def test_a_rate_that_only_the_header_claims_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.flv"
    write(path, [round(n * 1000 / 30) for n in range(60)], rate=Fraction(1000))
    assert open_material(path).fps == pytest.approx(30, rel=0.002)


def test_a_count_is_told_only_once_the_end_is_in_sight(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write(path, [n * 40 for n in range(200)])
    material = open_material(path)
    left = [material.left() for _ in material.frames]
    known = [n for n in left if n is not None]
    assert left[0] is None
    assert known == list(range(len(known) - 1, -1, -1))
    assert len(known) >= 50


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write(path, [0, 40], aspect=Fraction(4, 3))
    timed = next(open_material(path).frames)
    assert (timed.frame.width, timed.frame.height) == (86, 48)  # 85.3, made even


def test_the_default_stream_is_taken_and_never_a_cover(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams: list[Any] = [container.add_stream("mjpeg", rate=25) for _ in range(3)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        streams[0].disposition = av.stream.Disposition.attached_pic
        streams[1].disposition = 0
        streams[2].disposition = av.stream.Disposition.default
        for level, stream in zip((40, 90, 180), streams, strict=True):
            container.mux(stream.encode(picture(level).reformat(format="yuvj420p")))
            container.mux(stream.encode(None))
    timed = next(open_material(path).frames)
    assert timed.frame.y.mean() == pytest.approx(180, abs=3)


def test_a_text_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("It was a dark and stormy night.\n" * 100)
    with pytest.raises(SourceError, match=r"notes\.txt: not a video"):
        open_material(path)


def animation() -> list[Image.Image]:
    shades = ((255, 0, 0), (0, 200, 0), (0, 0, 255), (250, 250, 0))
    return [Image.new("RGB", (64, 48), shade) for shade in shades]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_animations_are_clips_with_their_times(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    first, *others = animation()
    durations = [100, 200, 100, 100]
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    first.save(path, save_all=True, append_images=others, duration=durations, **options)
    material = open_material(path)
    frames = list(material.frames)
    assert not material.still
    assert [timed.time_us for timed in frames[:4]] == [0, 100_000, 300_000, 400_000]
    for timed, truth in zip(frames, animation(), strict=True):
        assert np.abs(timed.frame.to_rgb().astype(int) - np.asarray(truth)).mean() < 4


def test_a_clear_animation_lies_on_white(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    frames = [Image.new("RGBA", (64, 48), (0, 0, 0, 0)) for _ in range(3)]
    for number, frame in enumerate(frames):
        frame.paste((255, 0, 0, 255), (0, 0, 10 + 10 * number, 48))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, disposal=2)
    last = list(open_material(path).frames)[-1].frame.to_rgb().astype(int)
    assert np.abs(last[:, 40:] - 255).max() < 6
    assert np.abs(last[:, 4:26] - (255, 0, 0)).mean() < 12


@pytest.mark.parametrize("suffix", ["avif", "jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_pictures_are_upright_as_pillow_turns_them(tmp_path: Path, suffix: str, turn: int) -> None:
    pixels = np.zeros((48, 80, 3), np.uint8)
    pixels[:24, :40] = (220, 40, 40)
    pixels[30:, 60:] = (40, 40, 200)
    exif = Image.Exif()
    exif[274] = turn
    path = tmp_path / f"a.{suffix}"
    try:
        Image.fromarray(pixels).save(path, exif=exif, quality=95)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {suffix}")
    (timed,) = open_material(path).frames
    truth = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    found = timed.frame.to_rgb()
    assert found.shape == truth.shape
    assert np.abs(found.astype(int) - truth).mean() < 4


@pytest.mark.parametrize("suffix", ["avif", "png", "tif", "webp"])
def test_alpha_of_pictures_is_laid_on_white(tmp_path: Path, suffix: str) -> None:
    rgba = np.full((48, 80, 4), (30, 120, 220, 0), np.uint8)
    rgba[..., 3] = np.linspace(0, 255, 80)
    path = tmp_path / f"a.{suffix}"
    try:
        Image.fromarray(rgba).save(path)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {suffix}")
    (timed,) = open_material(path).frames
    white = Image.new("RGBA", (80, 48), (255, 255, 255, 255))
    truth = np.asarray(Image.alpha_composite(white, Image.open(path).convert("RGBA")))[..., :3]
    assert np.abs(timed.frame.to_rgb().astype(int) - truth).mean() < 4


def test_the_alpha_of_a_webm_is_laid_on_white(tmp_path: Path) -> None:
    if "libvpx-vp9" not in av.codecs_available or shutil.which("ffmpeg") is None:
        pytest.skip("needs libvpx and the ffmpeg program, which marks the track")
    rgba = np.full((48, 64, 4), (200, 0, 0, 255), np.uint8)
    rgba[:, 32:, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "a.png")
    command = ["ffmpeg", "-v", "error", "-i", "a.png", "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p"]
    subprocess.run([*command, "a.webm"], cwd=tmp_path, check=True, timeout=120)
    found = next(open_material(tmp_path / "a.webm").frames).frame.to_rgb().astype(int)
    assert np.abs(found[:, 36:] - 255).max() < 12
    assert np.abs(found[:, :28] - (200, 0, 0)).max() < 25


def test_a_library_that_raises_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((32, 32, 3), np.uint8))
    for error in (
        cv2.error("OpenCV(5.0) x.cpp:1: error: (-215) bad"),
        TypeError("None"),
        MemoryError(),
    ):

        def raising(*_: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(cv2, "imdecode", raising)
        with pytest.raises(
            SourceError, match=r"a\.png: not a picture that can be read \("
        ) as caught:
            open_material(path)
        assert "\n" not in str(caught.value)
    write(tmp_path / "a.mp4", [0, 40])
    for failure in (av.error.ProtocolNotFoundError(1, "no"), RuntimeError("x"), ValueError("y")):

        def broken(*_: object, failure: BaseException = failure, **__: object) -> None:
            raise failure

        monkeypatch.setattr(av, "open", broken)
        with pytest.raises(SourceError, match=r"a\.mp4: not a video that can be read"):
            open_material(tmp_path / "a.mp4")


def test_folders_come_in_natural_order_without_what_is_hidden_or_foreign(tmp_path: Path) -> None:
    for number in (1, 2, 9, 10, 11, 100):
        cv2.imwrite(str(tmp_path / f"p{number}.png"), np.full((32, 32, 3), number * 2, np.uint8))
    (tmp_path / ".hidden.png").write_bytes(b"x")
    (tmp_path / "._p1.png").write_bytes(b"x")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "p5.png").write_bytes(b"no picture")
    os.mkdir(tmp_path / "p3.png")
    material = open_material(tmp_path)
    levels = [float(timed.frame.y.mean()) for timed in material.frames]
    assert levels == sorted(levels)
    assert len(levels) == 6
    assert material.damaged() == 1


def test_alpha_and_exif_go_together(tmp_path: Path) -> None:
    for suffix in ("png", "webp"):
        drawn = Image.new("RGBA", (96, 64), (200, 200, 200, 255))
        drawn.paste((255, 0, 0, 255), (0, 0, 40, 20))
        drawn.putpixel((0, 63), (0, 0, 0, 0))
        exif = Image.Exif()
        exif[274] = 6
        path = tmp_path / f"a.{suffix}"
        drawn.save(path, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
        (timed,) = open_material(path).frames
        found = timed.frame.to_rgb().astype(int)
        assert found.shape == (96, 64, 3)
        assert np.abs(found[8:30, 52:] - (255, 0, 0)).mean() < 6


def test_a_video_that_nobody_here_can_decode_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.svg"  # FFmpeg knows the format, and PyAV's build has no decoder for it
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"></svg>')
    with pytest.raises(SourceError, match=r"a\.svg: (this FFmpeg has no decoder|not a video)"):
        open_material(path)


@pytest.mark.parametrize("cut_bytes", [1, 2000, 64 * 48 * 3 // 2 + 3])
def test_a_y4m_that_breaks_off_within_a_picture_says_so(tmp_path: Path, cut_bytes: int) -> None:
    path = tmp_path / "a.y4m"
    write(
        path, [n * 40 for n in range(4)], codec="wrapped_avframe", container_format="yuv4mpegpipe"
    )
    frames = list(open_material(path).frames)
    assert len(frames) == 4
    path.write_bytes(path.read_bytes()[:-cut_bytes])
    found = []
    with pytest.raises(SourceError, match=r"unreadable after frame 3 \(the file breaks off\)"):
        found.extend(open_material(path).frames)
    assert all(a.frame.same_pixels(b.frame) for a, b in zip(found, frames[:3], strict=True))


@pytest.mark.parametrize("fields", ["tff=1", "bff=1", "interlaced=0"])
def test_interlaced_pictures_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fields: str
) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"x264-params": fields})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(3):
            container.mux(stream.encode(picture(40 + number)))
        container.mux(stream.encode(None))
    assert len(list(open_material(path).frames)) == 3
    told = [record for record in caplog.records if "; both fields" in str(vars(record))]
    assert len(told) == (fields != "interlaced=0")


def test_decoded_pictures_do_not_wait_for_the_garbage_collector(tmp_path: Path) -> None:
    """A picture in a cycle is megabytes that nothing else frees: a sender grew to 640 MB."""
    write(tmp_path / "clip.mkv", list(range(0, 2400, 40)))
    gc.collect()
    gc.disable()
    try:
        count, most = 0, 0
        for _ in open_material(tmp_path / "clip.mkv").frames:
            count += 1
            most = max(most, sum(type(held) is av.VideoFrame for held in gc.get_objects()))
    finally:
        gc.enable()
    assert count == 60
    assert most <= 4
