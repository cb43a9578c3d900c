# SPDX-License-Identifier: Apache-2.0
"""The fixed fields of a .scv file (docs/container.md)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

import google_crc32c

from streamcodec.bitstream import CRC_BYTES, INTER_HEADER_BYTES, MODEL_HASH_BYTES
from streamcodec.errors import HeaderError

MAGIC = b"\x89SCV\r\n\x1a\n"  # like PNG's: text-mode and 7-bit transfers damage it visibly
VERSION = 1

_HEADER = struct.Struct("<8sHcx8sII")  # magic, version, size letter, model hash, fps as a fraction
HEADER_BYTES = _HEADER.size + CRC_BYTES
RECORD = struct.Struct("<IQ")  # packet bytes, timestamp in microseconds
RECORD_BYTES = RECORD.size
INDEX_MARK = 0xFFFF_FFFF  # in the place of a packet's length: the index begins here
ENTRY = struct.Struct("<QQQ")  # offset of the record, frame number, timestamp
FOOTER = struct.Struct("<QQQI4s")  # offset of the index, frames, last timestamp, CRC, end mark
END_MARK = b"SCVX"
MIN_PACKET_BYTES = INTER_HEADER_BYTES + CRC_BYTES
MAX_TIME_US = 2**63 - 1


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
    """Where a record lies in the file, without its packet, and the size of its picture.

    `width` and `height` are those of the last keyframe; 0 before the first.
    """

    number: int
    timestamp_us: int
    offset: int
    packet_bytes: int
    keyframe: bool
    width: int = 0
    height: int = 0
