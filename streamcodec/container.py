# SPDX-License-Identifier: Apache-2.0
"""The .scv file: packets with their times, an index of keyframes at the end (docs/container.md).

Records are written whole and in order, so that a file whose writer died is read up to its last
whole record, and appending continues there. Nothing here decodes a packet.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import FileIO
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import google_crc32c

from streamcodec.bitstream import (
    CRC_BYTES,
    INTER_HEADER_BYTES,
    KEY_HEADER_BYTES,
    MAX_PACKET_BYTES,
    MODEL_HASH_BYTES,
    PacketHeader,
    read_header,
)
from streamcodec.errors import BitstreamError, HeaderError, PayloadError

MAGIC = b"\x89SCV\r\n\x1a\n"  # after PNG's: text-mode transfers and 7-bit lines break it visibly
VERSION = 1

_HEADER = struct.Struct("<8sHcx8sII")  # magic, version, size letter, model hash, fps as a fraction
HEADER_BYTES = _HEADER.size + CRC_BYTES
_RECORD = struct.Struct("<IQ")  # packet bytes, timestamp in microseconds
RECORD_BYTES = _RECORD.size
_INDEX_MARK = 0xFFFF_FFFF  # in place of packet bytes: the index begins here
_ENTRY = struct.Struct("<QQQ")  # offset of the record, frame number, timestamp
_FOOTER = struct.Struct("<QQQI4s")  # offset of the index, frames, last timestamp, CRC, end mark
_END_MARK = b"SCVX"
_MIN_PACKET_BYTES = INTER_HEADER_BYTES + CRC_BYTES
_MAX_TIME_US = 2**63 - 1


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What holds for the whole file: size letter and hash of the model, nominal frame rate."""

    size: str
    model_hash: bytes
    fps: Fraction

    def __post_init__(self) -> None:
        if len(self.size) != 1 or not self.size.isascii() or not self.size.isupper():
            raise HeaderError(f"model size {self.size!r}: expected one capital letter")
        if len(self.model_hash) != MODEL_HASH_BYTES:
            raise HeaderError(
                f"model hash has {len(self.model_hash)} bytes, not {MODEL_HASH_BYTES}"
            )
        if not Fraction(1, 1000) <= self.fps <= 1000:
            raise HeaderError(f"frame rate {self.fps}: expected 1/1000 to 1000")

    def pack(self) -> bytes:
        """The first bytes of a file."""
        fps = self.fps.limit_denominator(1_000_000)
        body = _HEADER.pack(
            MAGIC, VERSION, self.size.encode(), self.model_hash, fps.numerator, fps.denominator
        )
        return body + struct.pack("<I", google_crc32c.value(body))

    @classmethod
    def unpack(cls, data: bytes) -> FileHeader:
        """Raises HeaderError unless the bytes are what `pack` wrote."""
        if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
            raise HeaderError("not an .scv file: the first 8 bytes are not its mark")
        if len(data) < HEADER_BYTES:
            raise HeaderError(f".scv file breaks off in its header, after {len(data)} bytes")
        body, (crc,) = data[: _HEADER.size], struct.unpack_from("<I", data, _HEADER.size)
        _, version, size, model_hash, numerator, denominator = _HEADER.unpack(body)
        if version != VERSION:
            raise HeaderError(f".scv bytes 8-9: version {version}, this reader knows {VERSION}")
        if google_crc32c.value(body) != crc:
            raise HeaderError(".scv header is damaged: CRC-32C does not match")
        if denominator == 0:
            raise HeaderError(".scv bytes 24-27: frame rate with denominator 0")
        return cls(size.decode("latin-1"), model_hash, Fraction(numerator, denominator))


@dataclass(frozen=True, slots=True)
class Record:
    """One packet of the file. `number` counts frames from 0."""

    number: int
    timestamp_us: int
    packet: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands in the file, without its packet, and the size of its picture.

    `width` and `height` are those of the keyframe that its chain began with; 0 before the first.
    """

    number: int
    timestamp_us: int
    offset: int
    packet_bytes: int
    keyframe: bool
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class _Contents:
    """What a reader knows of a file: `end` is where its records stop."""

    keyframes: tuple[tuple[int, int, int], ...]  # offset, number, timestamp
    frames: int
    last_us: int
    end: int
    indexed: bool


class ScvReader:
    """Reads a file from its index, or by scanning where there is none.

    A file that breaks off ends with its last whole record; `indexed` is False then. Memory is
    bounded by one packet and the list of keyframes, which is shorter than the file.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError when the file cannot be opened, HeaderError when it is no .scv."""
        self._file = FileIO(path)
        try:
            self.header = FileHeader.unpack(_read(self._file, 0, HEADER_BYTES))
            self._contents = _contents(self._file)
        except BaseException:
            self._file.close()
            raise

    @property
    def frames(self) -> int:
        return self._contents.frames

    @property
    def indexed(self) -> bool:
        """Whether the file was closed properly."""
        return self._contents.indexed

    @property
    def last_us(self) -> int:
        """Timestamp of the last record; 0 without any."""
        return self._contents.last_us

    @property
    def keyframes(self) -> tuple[int, ...]:
        """Numbers of the frames at which decoding can start."""
        return tuple(number for _, number, _ in self._contents.keyframes)

    def places(self) -> Iterator[Place]:
        """Every record in order, without reading the packets.

        Raises PayloadError where the file is damaged.
        """
        yield from _walk(self._file, HEADER_BYTES, 0, self._contents.end, strict=True)

    def records(self, *, from_us: int = 0) -> Iterator[Record]:
        """Records in order, from the last keyframe at or before a time.

        Starts with the first record where no keyframe is that early. Raises PayloadError
        where the file is damaged.
        """
        offset, number = HEADER_BYTES, 0
        for key_offset, key_number, key_us in self._contents.keyframes:
            if key_us > from_us:
                break
            offset, number = key_offset, key_number
        for place in _walk(self._file, offset, number, self._contents.end, strict=True):
            packet = _read(self._file, place.offset + RECORD_BYTES, place.packet_bytes)
            if len(packet) != place.packet_bytes:
                raise PayloadError(f".scv frame {place.number}: the file became shorter")
            yield Record(place.number, place.timestamp_us, packet)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> ScvReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class ScvWriter:
    """Writes records; each reaches the system whole before `write` returns.

    When the disk is full the file is cut back to its last whole record and OSError is raised:
    what was written before stays readable.
    """

    def __init__(self, file: FileIO, header: FileHeader, contents: _Contents) -> None:
        """Use `create` or `append`."""
        self._file = file
        self.header = header
        self._keyframes = list(contents.keyframes)
        self._frames = contents.frames
        self._last_us = contents.last_us
        self._end = contents.end

    @classmethod
    def create(cls, path: Path, header: FileHeader) -> ScvWriter:
        """Start a file, over whatever was there. Raises OSError."""
        file = FileIO(path, "w+")
        try:
            _write(file, 0, header.pack())
        except BaseException:
            file.close()
            raise
        return cls(file, header, _Contents((), 0, 0, HEADER_BYTES, indexed=False))

    @classmethod
    def append(cls, path: Path) -> ScvWriter:
        """Continue a file after its last whole record.

        The next packet must be a keyframe, or belong to the chain that the file ends with. Raises
        OSError or HeaderError.
        """
        file = FileIO(path, "r+")
        try:
            header = FileHeader.unpack(_read(file, 0, HEADER_BYTES))
            contents = _contents(file)
            file.truncate(contents.end)
        except BaseException:
            file.close()
            raise
        return cls(file, header, contents)

    @property
    def frames(self) -> int:
        return self._frames

    @property
    def last_us(self) -> int:
        return self._last_us

    def write(self, packet: bytes, *, timestamp_us: int) -> None:
        """Add a packet. A time before the last one is moved up to it.

        Raises HeaderError when the bytes are no packet, OSError when they cannot be written.
        """
        header = read_header(packet)
        timestamp_us = min(max(timestamp_us, self._last_us), _MAX_TIME_US)
        try:
            _write(self._file, self._end, _RECORD.pack(len(packet), timestamp_us) + packet)
        except OSError:
            self._file.truncate(self._end)
            raise
        if header.keyframe:
            self._keyframes.append((self._end, self._frames, timestamp_us))
        self._end += RECORD_BYTES + len(packet)
        self._frames += 1
        self._last_us = timestamp_us

    def close(self) -> None:
        """Write the index and close; a full disk costs the index only, which readers rebuild."""
        if self._file.closed:
            return
        try:
            _write(self._file, self._end, self._index())
        except OSError:
            self._file.truncate(self._end)
        finally:
            self._file.close()

    def _index(self) -> bytes:
        body = _RECORD.pack(_INDEX_MARK, len(self._keyframes))
        body += b"".join(_ENTRY.pack(*entry) for entry in self._keyframes)
        body += _FOOTER.pack(self._end, self._frames, self._last_us, 0, b"")[: -CRC_BYTES - 4]
        return body + struct.pack("<I", google_crc32c.value(body)) + _END_MARK

    def __enter__(self) -> ScvWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _contents(file: FileIO) -> _Contents:
    size = file.seek(0, os.SEEK_END)
    return _indexed(file, size) or _scanned(file, size)


def _indexed(file: FileIO, size: int) -> _Contents | None:
    """Contents by the index; None where there is none, or none that can be trusted."""
    footer = _read(file, max(HEADER_BYTES, size - _FOOTER.size), _FOOTER.size)
    if len(footer) < _FOOTER.size:
        return None
    start, frames, last_us, crc, mark = _FOOTER.unpack(footer)
    if mark != _END_MARK or not HEADER_BYTES <= start <= size - _FOOTER.size - RECORD_BYTES:
        return None
    body_bytes = size - start - CRC_BYTES - len(_END_MARK)
    count, rest = divmod(size - start - _FOOTER.size - RECORD_BYTES, _ENTRY.size)
    # No more keyframes than records fit in: a false index cannot make us read a whole huge file.
    if rest or count > (start - HEADER_BYTES) // (RECORD_BYTES + _MIN_PACKET_BYTES):
        return None
    body = _read(file, start, body_bytes)
    if google_crc32c.value(body) != crc or _RECORD.unpack_from(body) != (_INDEX_MARK, count):
        return None
    entries = tuple(_ENTRY.iter_unpack(body[RECORD_BYTES : RECORD_BYTES + count * _ENTRY.size]))
    rising = all(
        HEADER_BYTES <= a[0] < b[0] and a[1] < b[1] and a[2] <= b[2]
        for a, b in pairwise((*entries, (start, frames, last_us)))
    )
    return _Contents(entries, frames, last_us, start, indexed=True) if rising else None


def _scanned(file: FileIO, size: int) -> _Contents:
    """Contents by walking from record to record up to the first that is not whole."""
    keyframes: list[tuple[int, int, int]] = []
    frames, last_us, end = 0, 0, HEADER_BYTES
    for place in _walk(file, HEADER_BYTES, 0, size, strict=False):
        if place.keyframe:
            keyframes.append((place.offset, place.number, place.timestamp_us))
        frames, last_us = place.number + 1, place.timestamp_us
        end = place.offset + RECORD_BYTES + place.packet_bytes
    return _Contents(tuple(keyframes), frames, last_us, end, indexed=False)


def _walk(file: FileIO, offset: int, number: int, end: int, *, strict: bool) -> Iterator[Place]:
    """Records from an offset to `end`; a bad one raises PayloadError, or ends a lenient walk."""
    last_us = width = height = 0
    while offset < end:
        problem = ""
        head = _read(file, offset, RECORD_BYTES + KEY_HEADER_BYTES + CRC_BYTES)
        if len(head) < RECORD_BYTES + _MIN_PACKET_BYTES:
            problem = "the file breaks off"
        else:
            packet_bytes, timestamp_us = _RECORD.unpack_from(head)
            following = offset + RECORD_BYTES + packet_bytes
            if not _MIN_PACKET_BYTES <= packet_bytes <= MAX_PACKET_BYTES or following > end:
                problem = f"a packet of {packet_bytes} bytes does not fit"
            elif not last_us <= timestamp_us <= _MAX_TIME_US:
                problem = "time runs backwards"
            else:
                header = _packet_header(head[RECORD_BYTES:], packet_bytes)
                problem = "" if header else "no packet begins there"
        if problem:
            if strict:
                raise PayloadError(f".scv frame {number} at byte {offset}: {problem}")
            return
        assert header is not None  # or there were a problem
        if header.keyframe:
            width, height = header.width, header.height
        yield Place(number, timestamp_us, offset, packet_bytes, header.keyframe, width, height)
        offset, number, last_us = following, number + 1, timestamp_us


def _packet_header(start: bytes, packet_bytes: int) -> PacketHeader | None:
    """The checked header of a packet from its first bytes."""
    try:
        return read_header(start[:packet_bytes])
    except BitstreamError:
        return None


def _read(file: FileIO, offset: int, count: int) -> bytes:
    """Up to `count` bytes from an offset; fewer only at the end of the file."""
    file.seek(offset)
    parts: list[bytes] = []
    while count > 0:
        part = file.read(count)
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _write(file: FileIO, offset: int, data: bytes) -> None:
    """All of the bytes at an offset. Raises OSError."""
    file.seek(offset)
    view = memoryview(data)
    while view:
        written = file.write(view)
        if not written:
            raise OSError(f"only part of {len(data)} bytes could be written")
        view = view[written:]
