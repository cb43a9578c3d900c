# SPDX-License-Identifier: Apache-2.0
"""What a .scv file holds: read from its index, or by walking its records.

Both are bounded: nothing is allocated by a length before the file is known to hold it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from itertools import pairwise

import google_crc32c

from streamcodec.bitstream import (
    CRC_BYTES,
    KEY_HEADER_BYTES,
    MAX_PACKET_BYTES,
    PacketHeader,
    read_header,
)
from streamcodec.container.format import (
    END_MARK,
    ENTRY,
    FOOTER,
    HEADER_BYTES,
    INDEX_MARK,
    MAX_TIME_US,
    MIN_PACKET_BYTES,
    RECORD,
    RECORD_BYTES,
    Place,
)
from streamcodec.errors import BitstreamError, PayloadError


@dataclass(frozen=True, slots=True)
class Contents:
    """What a reader knows of a file: `end` is where its records stop."""

    keyframes: tuple[tuple[int, int, int], ...]  # offset, number, timestamp
    frames: int
    last_us: int
    end: int
    indexed: bool


def contents_of(file: FileIO) -> Contents:
    size = file.seek(0, os.SEEK_END)
    return _indexed(file, size) or _scanned(file, size)


def _indexed(file: FileIO, size: int) -> Contents | None:
    """Contents by the index; None where there is none, or none that can be trusted."""
    footer = read_at(file, max(HEADER_BYTES, size - FOOTER.size), FOOTER.size)
    if len(footer) < FOOTER.size:
        return None
    start, frames, last_us, crc, mark = FOOTER.unpack(footer)
    if mark != END_MARK or not HEADER_BYTES <= start <= size - FOOTER.size - RECORD_BYTES:
        return None
    body_bytes = size - start - CRC_BYTES - len(END_MARK)
    count, rest = divmod(size - start - FOOTER.size - RECORD_BYTES, ENTRY.size)
    # No more keyframes than records fit in: a false index cannot make a reader load a huge file.
    if rest or count > (start - HEADER_BYTES) // (RECORD_BYTES + MIN_PACKET_BYTES):
        return None
    body = read_at(file, start, body_bytes)
    if google_crc32c.value(body) != crc or RECORD.unpack_from(body) != (INDEX_MARK, count):
        return None
    entries = tuple(ENTRY.iter_unpack(body[RECORD_BYTES : RECORD_BYTES + count * ENTRY.size]))
    rising = all(
        HEADER_BYTES <= a[0] < b[0] and a[1] < b[1] and a[2] <= b[2]
        for a, b in pairwise((*entries, (start, frames, last_us)))
    )
    return Contents(entries, frames, last_us, start, indexed=True) if rising else None


def _scanned(file: FileIO, size: int) -> Contents:
    """Contents by walking from record to record up to the first that is not whole."""
    keyframes: list[tuple[int, int, int]] = []
    frames, last_us, end = 0, 0, HEADER_BYTES
    for place in walk(file, HEADER_BYTES, 0, size, strict=False):
        if place.keyframe:
            keyframes.append((place.offset, place.number, place.timestamp_us))
        frames, last_us = place.number + 1, place.timestamp_us
        end = place.offset + RECORD_BYTES + place.packet_bytes
    return Contents(tuple(keyframes), frames, last_us, end, indexed=False)


def walk(file: FileIO, offset: int, number: int, end: int, *, strict: bool) -> Iterator[Place]:
    """Records from an offset to `end`; a bad one raises PayloadError, or ends a lenient walk."""
    last_us = width = height = 0
    while offset < end:
        problem = ""
        head = read_at(file, offset, RECORD_BYTES + KEY_HEADER_BYTES + CRC_BYTES)
        if len(head) < RECORD_BYTES + MIN_PACKET_BYTES:
            problem = "the file breaks off"
        else:
            packet_bytes, timestamp_us = RECORD.unpack_from(head)
            following = offset + RECORD_BYTES + packet_bytes
            if not MIN_PACKET_BYTES <= packet_bytes <= MAX_PACKET_BYTES or following > end:
                problem = f"a packet of {packet_bytes} bytes does not fit"
            elif not last_us <= timestamp_us <= MAX_TIME_US:
                problem = "time runs backwards"
            else:
                header = _packet_header(head[RECORD_BYTES:], packet_bytes)
                problem = "" if header else "no packet begins there"
        if problem:
            if strict:
                raise PayloadError(f".scv frame {number} at byte {offset}: {problem}")
            return
        assert header is not None  # else there is a problem
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


def read_at(file: FileIO, offset: int, count: int) -> bytes:
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
