# SPDX-License-Identifier: Apache-2.0
"""Classical codecs for comparison: low latency, one thread, one keyframe, fixed QP.

Every anchor gets the same planes as our codec, its real bytes are counted (x264's version text, an
SEI that players ignore, is not) and a real decoder makes the planes that are compared.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import av.logging
from av.bitstream import BitStreamFilterContext
from av.video.codeccontext import VideoCodecContext
from PIL import Image

from benchmarks.material import Clip
from benchmarks.points import Point, measure
from services.media.avframes import from_frame, native_planes
from streamcodec.frame import Frame

Encoder = Callable[[Clip, int], list[bytes]]

_X264_QP = (51, 48, 44, 40, 36, 32, 28, 24, 20, 16)
_X265_QP = (50, 46, 42, 38, 34, 30, 26, 22, 18, 14)
_VP9_Q = (63, 58, 52, 45, 38, 31, 24, 18, 12, 6)  # cq-level, 0..63
_AV1_Q = (63, 60, 57, 51, 45, 38, 31, 24, 18, 12)
_JPEG_Q = (3, 6, 10, 16, 25, 40, 55, 70, 80, 88, 93, 96, 98)
_WEBP_Q = (0, 4, 10, 20, 35, 50, 65, 78, 87, 93, 97, 100)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A codec with its settings; `settings` is part of the name of a cached result."""

    name: str
    settings: str
    operating_points: tuple[int, ...]  # coarse to fine, in the codec's own scale
    encode: Encoder
    decoder: str
    for_pictures: bool
    for_clips: bool

    def measure(self, clip: Clip, operating_point: int, *, with_msssim: bool = True) -> Point:
        """Encode and decode a clip at one operating point."""
        start = time.process_time()
        packets = self.encode(clip, operating_point)
        encode_s = time.process_time() - start
        start = time.process_time()
        decoded = list(_decode(self.decoder, packets))
        decode_s = time.process_time() - start
        return measure(
            str(operating_point),
            originals=clip.frames,
            decoded=decoded,
            size_bytes=sum(len(packet) for packet in packets),
            encode_s=encode_s,
            decode_s=decode_s,
            with_msssim=with_msssim,
        )


def anchors_named(names: str) -> list[Anchor]:
    """Anchors from a comma-separated list; a family name (`x264`) means all of its members.

    Raises ValueError for an unknown name.
    """
    if names in {"", "none"}:
        return []
    if names == "all":
        return list(ANCHORS.values())
    chosen: dict[str, Anchor] = {}
    for raw in names.split(","):
        name = raw.strip().lower().replace("_", "-")
        name = _ALIASES.get(name, name)
        family = [a for a in ANCHORS.values() if a.name == name or a.name.startswith(name + "-")]
        if name == "jpeg":  # the same coder, frame by frame
            family.append(ANCHORS["mjpeg"])
        if not family:
            raise ValueError(f"unknown anchor {raw!r}; known: {', '.join(ANCHORS)}")
        chosen.update((anchor.name, anchor) for anchor in family)
    return list(chosen.values())


def _through_av(
    codec: str,
    options: Callable[[int], dict[str, str]],
    *,
    decoder: str = "",
    remove_units: str = "",
) -> Encoder:
    """An encoder of libavcodec: one context a clip, every packet in order.

    `remove_units` names types of NAL units of `decoder` that carry no picture.
    """

    def encode(clip: Clip, operating_point: int) -> list[bytes]:
        first = clip.frames[0]
        context = cast(VideoCodecContext, av.CodecContext.create(codec, "w"))
        context.width, context.height = first.width, first.height
        context.pix_fmt = "yuv420p"
        rate = Fraction(clip.fps).limit_denominator(1001)
        context.framerate, context.time_base = rate, 1 / rate
        context.thread_count = 1
        context.options = options(operating_point)
        packets: list[av.Packet[Any]] = []
        for number, frame in enumerate(clip.frames):
            picture = from_frame(frame)
            picture.pts = number
            packets += context.encode(picture)
        packets += context.encode(None)
        if remove_units:
            units = BitStreamFilterContext(f"filter_units=remove_types={remove_units}", decoder)
            packets = [kept for packet in packets for kept in units.filter(packet)]
        return [bytes(packet) for packet in packets if packet.size]

    return encode


def _x264(preset: str) -> Anchor:
    text = "keyint=infinite:scenecut=0:slices=1"
    return Anchor(
        f"x264-{preset}",
        f"preset {preset}, tune psnr+zerolatency, {text}, qp",
        _X264_QP,
        _through_av(
            "libx264",
            lambda qp: {
                "preset": preset,
                "tune": "psnr,zerolatency",
                "qp": str(qp),
                "x264-params": text,
            },
            decoder="h264",
            remove_units="6",
        ),
        "h264",
        for_pictures=True,
        for_clips=True,
    )


def _x265(preset: str) -> Anchor:
    # x265 accepts one tune: zerolatency; the settings of its psnr tune are added by hand.
    text = (
        "keyint=-1:scenecut=0:pools=none:frame-threads=1:aq-mode=0:psy-rd=0:psy-rdoq=0"
        ":cutree=0:info=0:log-level=none"
    )
    return Anchor(
        f"x265-{preset}",
        f"preset {preset}, tune zerolatency, {text}, qp",
        _X265_QP,
        _through_av(
            "libx265",
            lambda qp: {
                "preset": preset,
                "tune": "zerolatency",
                "x265-params": f"qp={qp}:{text}",
            },
        ),
        "hevc",
        for_pictures=False,
        for_clips=True,
    )


def _vp9() -> Anchor:
    fixed = {
        "deadline": "realtime",
        "cpu-used": "7",
        "lag-in-frames": "0",
        "auto-alt-ref": "0",
        "aq-mode": "0",
        "row-mt": "0",
        "tile-columns": "0",
        "error-resilient": "0",
        "g": "99999",
        "b": "0",
    }
    return Anchor(
        "vp9-rt",
        ", ".join(f"{key} {value}" for key, value in fixed.items()) + ", qmin = qmax = crf",
        _VP9_Q,
        _through_av(
            "libvpx-vp9", lambda q: {**fixed, "crf": str(q), "qmin": str(q), "qmax": str(q)}
        ),
        "vp9",
        for_pictures=False,
        for_clips=True,
    )


def _svt_av1(preset: int) -> Anchor:
    text = "rtc=1:pred-struct=1:rc=0:aq-mode=0:lp=1:keyint=-1:scd=0:tune=1"
    return Anchor(
        f"svtav1-{preset}",
        f"preset {preset}, {text}, qp",
        _AV1_Q,
        _through_av(
            "libsvtav1",
            lambda q: {"preset": str(preset), "svtav1-params": f"{text}:qp={q}"},
        ),
        "libdav1d",
        for_pictures=False,
        for_clips=True,
    )


def _jpeg_bytes(frame: Frame, quality: int) -> bytes:
    """Our planes as an optimised 4:2:0 JPEG.

    Pillow takes full chroma and halves it by 2x2 means, which restores our samples.
    """
    height, width = frame.y.shape
    chroma = (plane.repeat(2, 0).repeat(2, 1)[:height, :width] for plane in (frame.u, frame.v))
    picture = Image.merge("YCbCr", [Image.fromarray(plane) for plane in (frame.y, *chroma)])
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, optimize=True, subsampling=2)
    return buffer.getvalue()


def _encode_jpeg(clip: Clip, quality: int) -> list[bytes]:
    return [_jpeg_bytes(frame, quality) for frame in clip.frames]


def _jpeg(name: str, *, pictures: bool) -> Anchor:
    return Anchor(
        name,
        "Pillow, optimised tables, 4:2:0, quality",
        _JPEG_Q,
        _encode_jpeg,
        "mjpeg",
        for_pictures=pictures,
        for_clips=not pictures,
    )


def _webp() -> Anchor:
    return Anchor(
        "webp",
        "libwebp method 4, quality",
        _WEBP_Q,
        _through_av(
            "libwebp",
            lambda q: {"quality": str(q), "compression_level": "4", "lossless": "0"},
        ),
        "webp",
        for_pictures=True,
        for_clips=False,
    )


def _decode(decoder: str, packets: Sequence[bytes]) -> Iterator[Frame]:
    context = cast(VideoCodecContext, av.CodecContext.create(decoder, "r"))
    context.thread_count = 1
    for packet in packets:
        for picture in context.decode(av.Packet(packet)):
            yield native_planes(picture)
    for picture in context.decode(None):
        yield native_planes(picture)


ANCHORS: dict[str, Anchor] = {
    anchor.name: anchor
    for anchor in (
        _jpeg("jpeg", pictures=True),
        _webp(),
        _jpeg("mjpeg", pictures=False),
        _x264("ultrafast"),
        _x264("veryfast"),
        _x264("medium"),
        _x265("ultrafast"),
        _x265("medium"),
        _vp9(),
        _svt_av1(8),
        _svt_av1(11),
    )
}
_ALIASES = {"vp9": "vp9-rt", "svt-av1": "svtav1", "av1": "svtav1", "motion-jpeg": "mjpeg"}

av.logging.set_level(av.logging.PANIC)
os.environ.setdefault("SVT_LOG", "0")  # otherwise its encoder prints to standard error
