# SPDX-License-Identifier: Apache-2.0
"""What `encode`, `decode` and `info` report about a .scv file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean

Progress = Callable[[int, int | None, str], None]  # frames done, of how many, a remark


@dataclass(frozen=True, slots=True)
class Coded:
    """The frames of a file. `psnr_db` is by frame, empty where the original is not known."""

    frame_bytes: Sequence[int]
    keyframes: int
    pixels: int  # of all frames together
    fps: Fraction
    seconds: float  # playing time
    psnr_db: Sequence[float]
    coding_s: float
    skipped: int = 0  # frames that fitted no budget and were left out
    damaged: int = 0  # pictures of the source that could not be decoded

    def as_json(self) -> dict[str, object]:
        """As `--json` prints it. `bytes` are those of the packets, without the container's."""
        total = sum(self.frame_bytes)
        return {
            "frames": len(self.frame_bytes),
            "keyframes": self.keyframes,
            "bytes": total,
            "frame_bytes": list(self.frame_bytes),
            "bpp": round(total * 8 / max(1, self.pixels), 5),
            "kbps": round(total * 8 / 1000 / self.seconds, 3) if self.seconds else 0.0,
            "psnr_db": round(fmean(self.psnr_db), 4) if self.psnr_db else None,
            "fps": round(float(self.fps), 4),
            "seconds": round(self.seconds, 4),
            "skipped": self.skipped,
            "frames_damaged": self.damaged,
            "coding_seconds": round(self.coding_s, 3),
            "coding_fps": round(len(self.frame_bytes) / self.coding_s, 2) if self.coding_s else 0.0,
        }

    def sentence(self, target: str) -> str:
        """For people."""
        total = sum(self.frame_bytes)
        count = len(self.frame_bytes)
        quality = f", PSNR {fmean(self.psnr_db):.2f} dB" if self.psnr_db else ""
        left_out = f", {self.skipped} left out" if self.skipped else ""
        if self.damaged:
            left_out += f", {self.damaged} damaged left out"
        rate = f", {total * 8 / 1000 / self.seconds:.0f} kbit/s" if count > 1 else ""
        return (
            f"{target}: {count} frame{'s' if count != 1 else ''}{left_out}, {total} bytes, "
            f"{total * 8 / max(1, self.pixels):.3f} bits a pixel{rate}{quality} "
            f"({count / max(self.coding_s, 1e-3):.1f} frames a second)"
        )
