# SPDX-License-Identifier: Apache-2.0
"""Writes a .scv file, or continues one.

Records are written whole and in order: a file whose writer was killed is good up to its last whole
record, and `append` goes on there.
"""

from __future__ import annotations

import struct
from io import FileIO
from pathlib import Path
from types import TracebackType

import google_crc32c

from streamcodec.bitstream import CRC_BYTES, read_header
from streamcodec.container.format import (
    END_MARK,
    ENTRY,
    FOOTER,
    HEADER_BYTES,
    INDEX_MARK,
    MAX_TIME_US,
    RECORD,
    RECORD_BYTES,
    FileHeader,
)
from streamcodec.container.index import Contents, contents_of, read_at


class ScvWriter:
    """Writes records; each reaches the system whole before `write` returns.

    When the disk is full the file is cut back to its last whole record and OSError is raised:
    what was written before stays readable.
    """

    def __init__(self, file: FileIO, header: FileHeader, contents: Contents) -> None:
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
        return cls(file, header, Contents((), 0, 0, HEADER_BYTES, indexed=False))

    @classmethod
    def append(cls, path: Path) -> ScvWriter:
        """Continue a file after its last whole record.

        The next packet must be a keyframe, or belong to the chain that the file ends with. Raises
        OSError or HeaderError.
        """
        file = FileIO(path, "r+")
        try:
            header = FileHeader.unpack(read_at(file, 0, HEADER_BYTES))
            contents = contents_of(file)
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
        timestamp_us = min(max(timestamp_us, self._last_us), MAX_TIME_US)
        try:
            _write(self._file, self._end, RECORD.pack(len(packet), timestamp_us) + packet)
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
        body = RECORD.pack(INDEX_MARK, len(self._keyframes))
        body += b"".join(ENTRY.pack(*entry) for entry in self._keyframes)
        body += FOOTER.pack(self._end, self._frames, self._last_us, 0, b"")[: -CRC_BYTES - 4]
        return body + struct.pack("<I", google_crc32c.value(body)) + END_MARK

    def __enter__(self) -> ScvWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _write(file: FileIO, offset: int, data: bytes) -> None:
    """All of the bytes at an offset. Raises OSError."""
    file.seek(offset)
    view = memoryview(data)
    while view:
        written = file.write(view)
        if not written:
            raise OSError(f"only part of {len(data)} bytes could be written")
        view = view[written:]
