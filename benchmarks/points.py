# SPDX-License-Identifier: Apache-2.0
"""One measured operating point of a codec on a clip, and BD-rates between such points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from streamcodec.frame import Frame
from streamcodec.metrics import BdRate, bd_rate, ms_ssim, psnr


@dataclass(frozen=True, slots=True)
class Point:
    """Rate, quality and time of one clip at one setting.

    `bpp` is bits per luma pixel over all frames; qualities are means over the frames;
    `msssim` (luma) is None where it was not asked for. Times are milliseconds of processor time
    a frame for codecs on the CPU, of wall time for those on a GPU.
    """

    setting: str
    bpp: float
    psnr611: float
    psnr_y: float
    msssim: float | None
    encode_ms: float
    decode_ms: float

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Point:
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


Points = Mapping[str, Mapping[str, Sequence[Point]]]  # [clip][codec]


def measure(
    setting: str,
    *,
    originals: Sequence[Frame],
    decoded: Sequence[Frame],
    size_bytes: int,
    encode_s: float,
    decode_s: float,
    with_msssim: bool,
) -> Point:
    """Compare decoded frames with their sources. Raises ValueError when frames were lost."""
    if len(decoded) != len(originals):
        raise ValueError(f"{setting}: {len(decoded)} of {len(originals)} frames came back")
    scores = [psnr(a, b) for a, b in zip(originals, decoded, strict=True)]
    count = len(originals)
    similarity = (
        fmean(ms_ssim(a.y, b.y) for a, b in zip(originals, decoded, strict=True))
        if with_msssim
        else None
    )
    return Point(
        setting,
        bpp=8 * size_bytes / (count * originals[0].width * originals[0].height),
        psnr611=fmean(score.weighted_db for score in scores),
        psnr_y=fmean(score.y_db for score in scores),
        msssim=similarity,
        encode_ms=1000 * encode_s / count,
        decode_ms=1000 * decode_s / count,
    )


def bd_rate_against(points: Points, clip: str, anchor: str, *, ours: str = "S") -> BdRate | None:
    """BD-rate of `ours` against `anchor` on one clip over PSNR 6:1:1 within 30 to 42 dB.

    None where either has too few points or the curves do not meet.
    """
    of_clip = points.get(clip, {})
    return bd_rate(_curve(of_clip.get(anchor, ())), _curve(of_clip.get(ours, ())))


def _curve(points: Iterable[Point]) -> list[tuple[float, float]]:
    return [(point.bpp, point.psnr611) for point in points]
