# SPDX-License-Identifier: Apache-2.0
"""Reads a .scv file. Nothing here decodes a packet."""

from __future__ import annotations

from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType

from streamcodec.container.format import HEADER_BYTES, RECORD_BYTES, FileHeader, Place, Record
from streamcodec.container.index import contents_of, read_at, walk
from streamcodec.errors import PayloadError


class ScvReader:
    """Reads a file from its index, or by scanning where there is none.

    A truncated file ends with its last whole record; `indexed` is False then. Memory is
    bounded by one packet and the list of keyframes, which is shorter than the file.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError when the file cannot be opened, HeaderError when it is no .scv."""
        self._file = FileIO(path)
        try:
            self.header = FileHeader.unpack(read_at(self._file, 0, HEADER_BYTES))
            self._contents = contents_of(self._file)
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
        yield from walk(self._file, HEADER_BYTES, 0, self._contents.end, strict=True)

    def records(self, *, from_us: int = 0) -> Iterator[Record]:
        """Records in order, from the last keyframe at or before a time on.

        Starts with the first record where no keyframe is that early. Raises PayloadError
        where the file is damaged.
        """
        offset, number = HEADER_BYTES, 0
        for key_offset, key_number, key_us in self._contents.keyframes:
            if key_us > from_us:
                break
            offset, number = key_offset, key_number
        for place in walk(self._file, offset, number, self._contents.end, strict=True):
            packet = read_at(self._file, place.offset + RECORD_BYTES, place.packet_bytes)
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
