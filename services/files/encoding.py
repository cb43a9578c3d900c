# SPDX-License-Identifier: Apache-2.0
"""Codes a picture, a folder or a video to a .scv file."""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from services.errors import ConfigError, SourceError
from services.files.budget import FileBudget
from services.files.scv import writing_file
from services.files.summary import Coded, Progress
from services.media.files.naming import open_named
from services.media.files.reader import Material
from streamcodec.container import FileHeader, ScvWriter
from streamcodec.metrics import psnr611
from streamcodec.pattern import quality_at

if TYPE_CHECKING:
    from streamcodec.codec import Codec, Encoded
    from streamcodec.frame import Frame, Reference


@dataclass(frozen=True, slots=True)
class EncodeTarget:
    """How large or how good the frames shall be; exactly one is given."""

    quality: int | None = None
    kbps: float | None = None
    frame_bytes: int | None = None


def encode_file(
    codec: Codec,
    source: str,
    output: Path,
    encode_target: EncodeTarget,
    *,
    limit: int | None,
    progress: Progress,
    stopped: Event,
) -> Coded:
    """Code a picture, folder or video by its name (`open_named`).

    A stop or a full disk leaves a file that can be decoded.

    Raises SourceError, SinkError, or ConfigError where the encode target cannot be met.
    """
    if output.suffix.lower() != ".scv":
        raise ConfigError(f"{output}: the output of encode is a file whose name ends with .scv")
    if source.lower().endswith(".scv"):
        raise ConfigError(f"{source} is a .scv file already: decode it first")
    if output.is_dir():
        raise ConfigError(f"{output} is a folder: the output of encode is a file")
    material = open_named(source)
    if material.still and encode_target.kbps is not None:
        raise ConfigError("a picture has no bit rate: give --quality or --frame-bytes")
    count = material.count if limit is None else min(limit, material.count or limit)
    coding = _Encoding(
        codec, material, output, encode_target, count=count, limit=limit, name=source
    )
    return coding.run(progress, stopped)


class _Encoding:
    """One run of `encode_file`: the chain of references and what has been counted."""

    def __init__(
        self,
        codec: Codec,
        material: Material,
        output: Path,
        encode_target: EncodeTarget,
        *,
        count: int | None,
        limit: int | None,
        name: str,
    ) -> None:
        self._codec = codec
        self._name = name
        self._material = material
        self._output = output
        self._encode_target = encode_target
        self._count = count
        self._limit = limit
        self._fps = nominal_rate(material.rate)
        self._budget: FileBudget | None = None
        if encode_target.kbps is not None:
            # Frames that a file declares are no promise; what is left is asked frame by frame.
            self._budget = FileBudget(encode_target.kbps, fps=material.fps, frames=limit)
        self._reference: Reference | None = None
        self._since_key = 0
        self._sizes: list[int] = []
        self._psnr: list[float] = []
        self._keyframes = self._pixels = self._skipped = self._last_us = 0

    def run(self, progress: Progress, stopped: Event) -> Coded:
        started_s = time.monotonic()
        writer: ScvWriter | None = None
        try:
            for number, timed in enumerate(self._material.frames):
                if number == self._limit or stopped.is_set():
                    break
                span_us = timed.time_us - self._last_us if number else None
                encoded = self._encode(timed.frame, number, span_us)
                self._last_us = timed.time_us
                if encoded.packet is None:
                    self._skipped += 1
                else:
                    with writing_file(self._output):
                        writer = writer or self._create()
                        writer.write(encoded.packet, timestamp_us=timed.time_us)
                    self._note(timed.frame, encoded)
                progress(number + 1, self._count, self._remark())
        finally:
            if writer is not None:
                writer.close()
        if not self._sizes and not stopped.is_set():
            raise SourceError(f"{self._name}: there was no frame to code")
        return Coded(
            frame_bytes=self._sizes,
            keyframes=self._keyframes,
            pixels=self._pixels,
            fps=self._fps,
            seconds=self._last_us / 1e6 + 1 / float(self._fps),
            psnr_db=self._psnr,
            coding_s=time.monotonic() - started_s,
            skipped=self._skipped,
            damaged=self._material.damaged(),
        )

    def _create(self) -> ScvWriter:
        header = FileHeader(self._codec.size, self._codec.model_hash, self._fps)
        return ScvWriter.create(self._output, header)

    def _encode(self, frame: Frame, number: int, span_us: int | None) -> Encoded:
        reference = self._reference
        if reference is not None and (
            (reference.frame.width, reference.frame.height) != (frame.width, frame.height)
        ):
            reference = None  # the size changed in mid-stream: start a new chain
        if self._encode_target.quality is not None:
            self._since_key = 0 if reference is None else self._since_key + 1
            quality = self._encode_target.quality
            if not self._material.still:
                quality = quality_at(quality, self._since_key)
            return self._codec.encode(frame, reference, quality=quality)
        limit_bytes = self._encode_target.frame_bytes
        if self._budget is not None:
            limit_bytes = self._budget.next_bytes(span_us=span_us, left=self._left(number))
        assert limit_bytes is not None
        encoded = self._codec.encode(frame, reference, budget_bytes=limit_bytes)
        if encoded.packet is None and reference is None:
            if self._budget is None:
                raise ConfigError(
                    f"frame {number} does not fit into {limit_bytes} bytes even at the coarsest "
                    "quality: give more with --frame-bytes"
                )
            encoded = self._codec.encode(frame, None, quality=0)
        return encoded

    def _left(self, number: int) -> int | None:
        """Frames after this one, as far as that can be seen."""
        left = self._material.left()
        if self._limit is None or left is None:
            return left
        return min(left, self._limit - number - 1)

    def _note(self, frame: Frame, encoded: Encoded) -> None:
        assert encoded.packet is not None
        assert encoded.reference is not None
        self._reference = encoded.reference
        self._sizes.append(len(encoded.packet))
        self._keyframes += encoded.keyframe
        self._pixels += frame.width * frame.height
        self._psnr.append(psnr611(frame, encoded.reference.frame))
        if self._budget is not None:
            self._budget.spent(len(encoded.packet))

    def _remark(self) -> str:
        if not self._sizes:
            return ""
        return f"{self._sizes[-1]} bytes, {self._psnr[-1]:.1f} dB"


def nominal_rate(rate: Fraction) -> Fraction:
    """A rate as the header of a file can hold it; the times of the frames hold the truth."""
    low, high = Fraction(1, 1000), Fraction(1000)
    return min(max(rate, low), high).limit_denominator(100_000)
