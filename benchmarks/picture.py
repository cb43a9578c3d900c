# SPDX-License-Identifier: Apache-2.0
"""Draws the README's picture: an original, our keyframe, and a JPEG of the same size.

    python -m benchmarks.picture --bytes 9000 --out docs/pictures/keyframe.png

The original is a public-domain portrait that scikit-image ships (NASA), or any picture (--image).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from services.demo.canvas import QUIET, Box, Canvas, Picture
from services.media.files.reader import read_picture
from streamcodec.codec import Codec
from streamcodec.frame import Frame
from streamcodec.metrics import psnr611

_SIDE = 512
_GAP = 16


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture with two lines of text below it."""

    pixels: Picture
    title: str
    text: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the picture and print its figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bytes", type=int, default=9000, help="size of either file, at most")
    parser.add_argument("--image", type=Path, help="another original")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/keyframe.png"))
    options = parser.parse_args(arguments)

    frame = read_picture(options.image) if options.image else _portrait()
    codec = Codec.load("S", device="cpu")
    # JPEG's sizes are coarse: our budget is the size of the best fitting JPEG.
    jpeg = best_jpeg(frame, options.bytes)
    encoded = codec.encode(frame, budget_bytes=len(jpeg))
    if encoded.packet is None:
        print(f"nothing fits into {len(jpeg)} bytes", file=sys.stderr)
        return 1
    ours = codec.decode(encoded.packet).frame
    theirs = Frame.from_bgr(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8))
    raw_bytes = sum(plane.size for plane in frame.planes)
    panels = [
        Panel(frame.to_bgr(), "Original", f"{raw_bytes:,} bytes as YUV 4:2:0"),
        Panel(ours.to_bgr(), "streamcodec S", _figures(len(encoded.packet), frame, ours)),
        Panel(theirs.to_bgr(), "JPEG, optimised", _figures(len(jpeg), frame, theirs)),
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(options.out), drawn(panels), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    for panel in panels:
        print(f"{panel.title}: {panel.text}")
    return 0


def best_jpeg(frame: Frame, limit_bytes: int) -> Picture:
    """The best optimised JPEG of at most so many bytes; the coarsest where none fits."""
    best: Picture | None = None
    for quality in range(1, 96):
        how = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
        data = np.asarray(cv2.imencode(".jpg", frame.to_bgr(), how)[1], np.uint8)
        if best is not None and len(data) > limit_bytes:
            break
        best = data
    assert best is not None
    return best


def drawn(panels: Sequence[Panel]) -> Picture:
    """The panels side by side."""
    tall = round(_SIDE * panels[0].pixels.shape[0] / panels[0].pixels.shape[1])
    canvas = Canvas(len(panels) * (_SIDE + _GAP) + _GAP, tall + 2 * _GAP + 58)
    for number, panel in enumerate(panels):
        x = _GAP + number * (_SIDE + _GAP)
        canvas.picture(panel.pixels, Box(x, _GAP, _SIDE, tall))
        canvas.text(panel.title, x, tall + _GAP + 30, size=22, bold=True)
        canvas.text(panel.text, x, tall + _GAP + 56, size=17, colour=QUIET)
    return canvas.pixels


def _figures(size_bytes: int, original: Frame, decoded: Frame) -> str:
    return f"{size_bytes:,} bytes, PSNR 6:1:1 {psnr611(original, decoded):.1f} dB"


def _portrait() -> Frame:
    from skimage import data  # noqa: PLC0415  (only where no picture is given)

    portrait = data.astronaut()  # type: ignore[no-untyped-call]  # scikit-image has no types
    return Frame.from_rgb(np.asarray(portrait, np.uint8))


if __name__ == "__main__":
    sys.exit(main())
