# SPDX-License-Identifier: Apache-2.0
"""Codes files to .scv, decodes .scv to files, and tells what is inside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import cv2

from services.errors import ConfigError, SinkError, SourceError
from services.files.budget import FileBudget
from services.files.summary import Coded
from services.media.boundary import writing
from services.media.files.naming import open_named
from services.media.files.reader import PICTURE_SUFFIXES, Material
from services.media.files.timeline import rate_of
from streamcodec.bitstream import VERSION, read_header
from streamcodec.container import VERSION as CONTAINER_VERSION
from streamcodec.container import FileHeader, Place, Record, ScvReader, ScvWriter
from streamcodec.errors import BitstreamError, ReferenceMissing
from streamcodec.metrics import psnr611
from streamcodec.pattern import quality_at

if TYPE_CHECKING:
    from services.media.sinks.sink import Sink
    from streamcodec.codec import Codec, Encoded
    from streamcodec.frame import Frame, Reference

Progress = Callable[[int, int | None, str], None]  # frames done, of how many, a remark


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
                    with _writing(self._output):
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


def decode_file(
    codec: Codec,
    source: Path,
    target: str,
    *,
    limit: int | None,
    progress: Progress,
    stopped: Event,
) -> Coded:
    """Decode a file into what the target's name asks for.

    What was written before an error stays. Raises SourceError, SinkError, or ModelError where
    the file was made with other weights.
    """
    started_s = time.monotonic()
    sizes: list[int] = []
    keyframes = pixels = last_us = damaged = 0
    failure = ""
    with open_scv(source) as reader:
        fps = reader.header.fps
        count = reader.frames if limit is None else min(limit, reader.frames)
        if not count:
            raise SourceError(f"{source}: there is no whole frame in this file")
        with _Output(target, count, _frame_rate(reader, source, fps)) as output:
            reference: Reference | None = None
            for record in _records(reader, source):
                if record.number == count or stopped.is_set():
                    break
                progress(record.number + 1, count, "")
                last_us = record.timestamp_us
                try:
                    frame, reference = codec.decode(record.packet, reference)
                except (BitstreamError, ReferenceMissing) as error:
                    # The file goes on at its next keyframe.
                    reference = None
                    damaged += 1
                    failure = failure or f"frame {record.number} is damaged ({error})"
                    continue
                failure = ""
                output.write(frame, record.timestamp_us)
                sizes.append(len(record.packet))
                keyframes += read_header(record.packet).keyframe
                pixels += frame.width * frame.height
    if failure:
        raise SourceError(f"{source}: {failure}; the frames before it were written")
    return Coded(
        frame_bytes=sizes,
        keyframes=keyframes,
        pixels=pixels,
        fps=fps,
        seconds=last_us / 1e6 + 1 / float(fps),
        psnr_db=(),
        coding_s=time.monotonic() - started_s,
        damaged=damaged,
    )


def nominal_rate(rate: Fraction) -> Fraction:
    """A rate as the header of a file can hold it; the times of the frames hold the truth."""
    low, high = Fraction(1, 1000), Fraction(1000)
    return min(max(rate, low), high).limit_denominator(100_000)


def _frame_rate(reader: ScvReader, source: Path, told: Fraction) -> Fraction:
    """The rate at which no frame is lost, by the times in the file.

    The one that the header names, where the whole fits it to half a frame: a live recording holds
    when pictures were taken, not when they were due.
    """
    stamps = [place.timestamp_us for place in _places(reader, source, whole=False)]
    tolerance = max(0.001, 0.5 / max(1, len(stamps)))
    return rate_of(stamps, told=(told,), tolerance=tolerance) or told


class _Output:
    """A picture file or a sink, opened with the first frame."""

    def __init__(self, target: str, count: int, rate: Fraction) -> None:
        suffix = Path(target).suffix.lower()
        if suffix == ".scv":
            raise ConfigError(
                f"{target}: decode writes pictures and videos (.png, .mp4, .y4m, folder/); "
                "a .scv file is copied as it is, and cut with encode"
            )
        # A name without a suffix is a folder, with or without its slash.
        self._target = target if suffix or target == "-" else target.rstrip("/") + "/"
        self._picture = suffix in PICTURE_SUFFIXES
        if self._picture and count > 1:
            raise ConfigError(
                f"{target} is one picture, but there are {count} frames: "
                "write to a folder/ or a video, or take one with --frames 1"
            )
        self._rate = rate
        self._sink: Sink | None = None

    def write(self, frame: Frame, timestamp_us: int) -> None:
        if self._picture:
            write_picture(Path(self._target), frame)
            return
        if self._sink is None:
            from services.media.sinks import open_sink  # noqa: PLC0415  (imports FFmpeg)

            self._sink = open_sink(
                self._target, width=frame.width, height=frame.height, fps=self._rate
            )
        self._sink.write(frame, shown_us=timestamp_us)

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._sink is None:
            return
        try:
            self._sink.close()
        except SinkError:
            if kind is None:  # else what came first is told
                raise


def write_picture(path: Path, frame: Frame) -> None:
    """One frame as a picture file; the suffix chooses the format. Raises SinkError."""
    with _writing(path):
        done, data = cv2.imencode(path.suffix.lower(), frame.to_bgr())
        if not done:
            raise SinkError(f"{path}: this kind of picture cannot be written; use .png")
        path.write_bytes(data.tobytes())


def describe_file(source: Path) -> dict[str, object]:
    """What `info` prints: the same figures as `encode`, with versions and hashes."""
    sizes: list[int] = []
    keyframes = last_us = pixels = width = height = 0
    with open_scv(source) as reader:
        for place in _places(reader, source):
            if not sizes:
                width, height = place.width, place.height
            sizes.append(place.packet_bytes)
            pixels += place.width * place.height
            keyframes += place.keyframe
            last_us = place.timestamp_us
        header = reader.header
        coded = Coded(
            frame_bytes=sizes,
            keyframes=keyframes,
            pixels=pixels,
            fps=header.fps,
            seconds=last_us / 1e6 + 1 / float(header.fps) if sizes else 0.0,
            psnr_db=(),
            coding_s=0.0,
        )
        found = coded.as_json()
        for name in ("skipped", "frames_damaged", "coding_seconds", "coding_fps"):
            del found[name]
        return found | {
            "width": width,
            "height": height,
            "size": header.size,
            "model_hash": header.model_hash.hex(),
            "container_version": CONTAINER_VERSION,
            "bitstream_version": VERSION,
            "file_bytes": source.stat().st_size,
            "complete": reader.indexed,
        }


def stored_size(source: Path) -> str:
    """The size letter of the model that a file was made with."""
    with open_scv(source) as reader:
        return reader.header.size


@contextmanager
def open_scv(path: Path) -> Iterator[ScvReader]:
    """A reader, with its errors as SourceError."""
    try:
        reader = ScvReader(path)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from None
    except BitstreamError as error:
        raise SourceError(f"{path}: {error}") from None
    with reader:
        yield reader


def _records(reader: ScvReader, source: Path) -> Iterator[Record]:
    try:
        yield from reader.records()
    except BitstreamError as error:
        raise SourceError(f"{source}: {error}; the frames before it were written") from None


def _places(reader: ScvReader, source: Path, *, whole: bool = True) -> Iterator[Place]:
    """All records; with `whole` a damaged one raises SourceError, else it ends the list."""
    try:
        yield from reader.places()
    except BitstreamError as error:
        if whole:
            raise SourceError(f"{source}: {error}") from None


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Errors of the disk, and of libraries, as SinkError."""
    saved = "what was written before is kept"
    if not target.parent.is_dir():
        saved = f"is there a folder {target.parent}?"
    with writing(str(target), saved=saved):
        yield
