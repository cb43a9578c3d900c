# SPDX-License-Identifier: Apache-2.0
"""The rate-distortion benchmark on tiny clips with the fake codec and real anchors."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from benchmarks.anchors import ANCHORS, anchors_named
from benchmarks.cache import AnchorCache
from benchmarks.material import Clip, digest_of, load_clips, load_pictures
from benchmarks.points import Point, bd_rate_against
from benchmarks.rd import Mismatch, main, measure_ours, spread_qualities, table
from services.media.avframes import from_frame
from streamcodec.codec import Decoded
from streamcodec.frame import Frame, Reference
from streamcodec.pattern import quality_at
from tests.fakes import FakeCodec


def moving(count: int, *, width: int = 64, height: int = 48) -> list[Frame]:
    """Frames cut from one smooth random picture, moving by a pixel each."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 300, (height + count, width + count, 3))
    canvas = np.clip(cv2.GaussianBlur(noise, (0, 0), 2) * 1.5 + 128, 0, 255).astype(np.uint8)
    return [
        Frame.from_bgr(np.ascontiguousarray(canvas[i : i + height, i : i + width]))
        for i in range(count)
    ]


def clip_of(frames: list[Frame], name: str = "moving") -> Clip:
    return Clip(name, "camera", 25.0, tuple(frames), digest_of(frames))


def write_clip(path: Path, frames: list[Frame]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(25))
        stream.width, stream.height = frames[0].width, frames[0].height
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(from_frame(frame)))
        container.mux(stream.encode(None))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("moving.mkv", "screen_moving.mkv"):
        write_clip(tmp_path / name, moving(4))
    cv2.imwrite(str(tmp_path / "picture.png"), moving(1)[0].to_bgr())
    return tmp_path


def test_clips_are_read_sample_by_sample(folder: Path) -> None:
    camera, screen = load_clips(folder)
    assert (camera.name, camera.group, camera.fps) == ("moving", "camera", 25.0)
    assert screen.group == "screen"
    assert all(a.same_pixels(b) for a, b in zip(camera.frames, moving(4), strict=True))
    assert camera.digest == digest_of(moving(4))
    assert [len(clip.frames) for clip in load_clips(folder, frames=2, only="screen")] == [2]


def test_a_folder_without_material_ends_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no matching"):
        list(load_pictures(tmp_path))


@pytest.mark.parametrize("name", [name for name, a in ANCHORS.items() if a.for_clips])
def test_each_anchor_gives_every_frame_back(name: str) -> None:
    anchor, clip = ANCHORS[name], clip_of(moving(3))
    coarse = anchor.measure(clip, anchor.operating_points[1])
    fine = anchor.measure(clip, anchor.operating_points[-2])
    assert coarse.bpp < fine.bpp
    assert 15 < coarse.psnr611 < fine.psnr611
    assert fine.psnr611 > 38


@pytest.mark.parametrize("name", ["jpeg", "webp", "x264-medium"])
def test_picture_anchors_code_our_planes_without_a_colour_detour(name: str) -> None:
    point = ANCHORS[name].measure(clip_of(moving(1)), ANCHORS[name].operating_points[-1])
    assert point.psnr611 > 44


def test_a_family_names_all_of_its_anchors() -> None:
    assert [a.name for a in anchors_named("x264")] == [
        "x264-ultrafast",
        "x264-veryfast",
        "x264-medium",
    ]
    assert [a.name for a in anchors_named("x264_medium,vp9")] == ["x264-medium", "vp9-rt"]
    assert anchors_named("none") == []
    with pytest.raises(ValueError, match="unknown anchor 'h264'"):
        anchors_named("h264")


def test_a_known_anchor_is_not_run_again(tmp_path: Path) -> None:
    cache_file = tmp_path / "cache" / "anchors.json"
    clip, anchor = clip_of(moving(2)), ANCHORS["mjpeg"]
    first = AnchorCache(cache_file).points(clip, anchor, with_msssim=False)
    again = AnchorCache(cache_file).points(clip, anchor, with_msssim=False)
    assert again == first  # processor times included
    assert first[-1].psnr611 > 42
    other = AnchorCache(cache_file).points(clip_of(moving(3)), anchor, with_msssim=False)
    assert other != first


def test_our_points_count_real_packets() -> None:
    codec, frames = FakeCodec(), moving(3)
    reference, size = None, 0
    for number, frame in enumerate(frames):
        encoded = codec.encode(frame, reference, quality=quality_at(20, number))
        assert encoded.packet is not None
        reference, size = encoded.reference, size + len(encoded.packet)
    point = measure_ours(codec, clip_of(frames), 20)
    assert point.bpp == pytest.approx(size * 8 / (3 * 64 * 48))
    assert point.msssim is not None


def test_a_decoder_that_differs_from_its_encoder_is_caught() -> None:
    class Drifting(FakeCodec):
        def decode(self, packet: bytes, reference: Reference | None = None) -> Decoded:
            frame, after = super().decode(packet, reference)
            return Decoded(Frame(frame.y ^ 1, frame.u, frame.v), after)

    with pytest.raises(Mismatch, match="moving frame 0, quality 20"):
        measure_ours(Drifting(), clip_of(moving(1)), 20)


def test_spread_qualities_rise_within_the_range_of_the_codec() -> None:
    chosen = spread_qualities(FakeCodec(), moving(3), 5)
    assert chosen == sorted(set(chosen))
    assert 2 <= len(chosen) <= 5
    assert all(0 <= quality < 64 for quality in chosen)


def test_bd_rate_against_names_clip_and_anchor() -> None:
    curve = [
        Point(str(q), 0.1 * 2**q, 30.0 + 3 * q, 30.0 + 3 * q, None, 1.0, 1.0) for q in range(5)
    ]
    half = [Point(p.setting, p.bpp / 2, p.psnr611, p.psnr_y, None, 1.0, 1.0) for p in curve]
    points = {"clip": {"x264-medium": curve, "S": half}}
    result = bd_rate_against(points, "clip", "x264-medium")
    assert result is not None
    assert result.percent == pytest.approx(-50)
    assert bd_rate_against(points, "clip", "webp") is None


def test_report_holds_points_rates_groups_and_machine(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "rd.json"
    status = main(
        [
            *("--clips", str(folder), "--images", str(folder), "--frames", "3"),
            *("--anchors", "mjpeg,jpeg,x264-ultrafast", "--qualities", "0,20,30,40,50,63"),
            *("--cache", str(folder / "anchors.json"), "--json", str(out)),
        ],
        load=lambda size, _device: FakeCodec.load(size),
    )
    assert status == 0
    report = json.loads(out.read_text())
    point = report["points"]["moving"]["S"][0]
    assert {"bpp", "psnr611", "psnr_y", "msssim", "encode_ms", "decode_ms"} <= set(point)
    assert set(report["bd_rate"]) == {"moving", "screen_moving", "picture", "mean"}
    assert report["bd_rate"]["moving"]["mjpeg"] == report["bd_rate"]["mean"]["mjpeg"]
    assert set(report["groups"]) == {"camera", "screen", "pictures"}
    assert set(report["bd_rate"]["mean"]) == {"mjpeg", "jpeg", "x264-ultrafast"}
    assert report["material"]["screen_moving"]["group"] == "screen"
    assert report["machine"]["command"].startswith("python -m benchmarks.")
    printed = capsys.readouterr().out
    assert printed == table(report) + "\n"
    assert "mean camera" in printed
