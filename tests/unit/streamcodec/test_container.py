# SPDX-License-Identifier: Apache-2.0
"""The .scv file: round trips, dead writers, truncation at every byte, hostile bytes, full disks."""

from __future__ import annotations

import errno
import subprocess
import sys
from contextlib import suppress
from fractions import Fraction
from io import FileIO
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamcodec.bitstream import PacketHeader, pack
from streamcodec.container import HEADER_BYTES, RECORD_BYTES, FileHeader, ScvReader, ScvWriter
from streamcodec.errors import HeaderError, PayloadError, StreamCodecError

HEADER = FileHeader("S", b"modelhsh", Fraction(30))
_SLOW_DISK = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)


def key(payload: bytes = b"") -> bytes:
    return pack(PacketHeader(True, 30, 0, b"modelhsh", 64, 48), payload)


def inter(payload: bytes = b"") -> bytes:
    return pack(PacketHeader(False, 30, 0, b"referenc"), payload)


PACKETS = [key(b"one"), inter(b"two"), inter(), key(b"four"), inter(b"five" * 20)]


def write(path: Path, packets: list[bytes], *, close: bool = True) -> Path:
    writer = ScvWriter.create(path, HEADER)
    for number, packet in enumerate(packets):
        writer.write(packet, timestamp_us=number * 1000)
    if close:
        writer.close()
    else:
        writer._file.close()  # as after a killed process
    return path


def packets_of(path: Path) -> list[bytes]:
    with ScvReader(path) as reader:
        found = [record.packet for record in reader.records()]
        assert len(found) == reader.frames
    return found


def test_what_was_written_is_read(tmp_path: Path) -> None:
    with ScvReader(write(tmp_path / "a.scv", PACKETS)) as reader:
        records = list(reader.records())
        assert reader.header == HEADER
        assert reader.indexed
        assert reader.frames == 5
        assert reader.keyframes == (0, 3)
        assert reader.last_us == 4000
        assert [place.packet_bytes for place in reader.places()] == [len(p) for p in PACKETS]
    assert [r.packet for r in records] == PACKETS
    assert [r.timestamp_us for r in records] == [0, 1000, 2000, 3000, 4000]
    assert [r.number for r in records] == [0, 1, 2, 3, 4]


def test_an_empty_recording_is_a_file(tmp_path: Path) -> None:
    assert packets_of(write(tmp_path / "a.scv", [])) == []


@pytest.mark.parametrize(("from_us", "first"), [(0, 0), (2999, 0), (3000, 3), (9999, 3)])
def test_seeking_starts_at_the_keyframe_before(tmp_path: Path, from_us: int, first: int) -> None:
    with ScvReader(write(tmp_path / "a.scv", PACKETS)) as reader:
        assert next(reader.records(from_us=from_us)).number == first


def test_a_file_without_index_reads_like_one_with(tmp_path: Path) -> None:
    path = write(tmp_path / "a.scv", PACKETS, close=False)
    assert packets_of(path) == PACKETS
    with ScvReader(path) as reader:
        assert not reader.indexed
        assert reader.keyframes == (0, 3)
        assert next(reader.records(from_us=3500)).number == 3


def test_a_file_cut_anywhere_gives_its_whole_records_or_a_sentence(tmp_path: Path) -> None:
    data = write(tmp_path / "a.scv", PACKETS).read_bytes()
    ends = [HEADER_BYTES]
    for packet in PACKETS:
        ends.append(ends[-1] + RECORD_BYTES + len(packet))
    cut = tmp_path / "cut.scv"
    for length in range(len(data)):
        cut.write_bytes(data[:length])
        if length < HEADER_BYTES:
            with pytest.raises(HeaderError):
                ScvReader(cut)
            continue
        whole = sum(end <= length for end in ends) - 1
        assert packets_of(cut) == PACKETS[:whole]


def test_appending_continues_after_the_last_whole_record(tmp_path: Path) -> None:
    data = write(tmp_path / "a.scv", PACKETS).read_bytes()
    path = tmp_path / "b.scv"
    for length in (len(data), len(data) - 3, len(data) - 70, HEADER_BYTES):
        path.write_bytes(data[:length])
        before = packets_of(path)
        with ScvWriter.append(path) as writer:
            assert writer.frames == len(before)
            writer.write(key(b"appended"), timestamp_us=10_000)
        with ScvReader(path) as reader:
            assert reader.indexed
            assert [r.packet for r in reader.records()] == [*before, key(b"appended")]
            assert reader.keyframes[-1] == len(before)


def test_time_never_runs_backwards(tmp_path: Path) -> None:
    with ScvWriter.create(tmp_path / "a.scv", HEADER) as writer:
        for timestamp_us in (50, 20, -7, 60):
            writer.write(key(), timestamp_us=timestamp_us)
    with ScvReader(tmp_path / "a.scv") as reader:
        assert [r.timestamp_us for r in reader.records()] == [50, 50, 50, 60]


def test_bytes_that_are_no_packet_are_not_written(tmp_path: Path) -> None:
    with ScvWriter.create(tmp_path / "a.scv", HEADER) as writer, pytest.raises(HeaderError):
        writer.write(b"nonsense" * 4, timestamp_us=0)
    assert packets_of(tmp_path / "a.scv") == []


@pytest.mark.parametrize("room", range(0, 60, 7))
def test_a_full_disk_loses_nothing_that_was_written(tmp_path: Path, room: int) -> None:
    path = tmp_path / "a.scv"
    writer = ScvWriter.create(path, HEADER)
    writer.write(PACKETS[0], timestamp_us=0)
    left = [room]
    plain_write = FileIO.write

    def full(self: FileIO, data: memoryview) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = min(left[0], len(data))
        left[0] -= count
        return plain_write(self, data[:count])

    class Full(FileIO):
        write = full

    writer._file.close()
    writer._file = Full(path, "r+")
    with pytest.raises(OSError, match="No space"):
        writer.write(key(bytes(100)), timestamp_us=1000)
    writer.close()
    assert packets_of(path) == PACKETS[:1]


def test_other_files_are_refused_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.scv"
    for data, reason in (
        (b"", "not an .scv file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "not an .scv file"),
        (HEADER.pack()[:20], "breaks off in its header, after 20 bytes"),
        (HEADER.pack()[:12] + b"?" + HEADER.pack()[13:], "damaged"),
        (HEADER.pack()[:8] + b"\x09\x00" + HEADER.pack()[10:], "version 9"),
    ):
        path.write_bytes(data)
        with pytest.raises(HeaderError, match=reason):
            ScvReader(path)


def test_a_damaged_record_under_an_index_raises_a_payload_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.scv", PACKETS)
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 3] ^= 0x40  # length of the first record
    path.write_bytes(data)
    with ScvReader(path) as reader, pytest.raises(PayloadError, match="frame 0"):
        list(reader.records())


@given(
    packets=st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=8),
    position=st.integers(0, 400),
    value=st.integers(0, 255),
)
@settings(max_examples=150, suppress_health_check=_SLOW_DISK)
def test_any_changed_byte_raises_a_documented_error_or_reads(
    tmp_path: Path, packets: list[tuple[bool, bytes]], position: int, value: int
) -> None:
    path = write(tmp_path / "a.scv", [key(p) if first else inter(p) for first, p in packets])
    data = bytearray(path.read_bytes())
    data[position % len(data)] = value
    path.write_bytes(data)
    try:
        with ScvReader(path) as reader:
            for record in reader.records():
                assert len(record.packet) <= len(data)
    except StreamCodecError:
        pass


@given(tail=st.binary(max_size=300))
@settings(max_examples=150, suppress_health_check=_SLOW_DISK)
def test_any_bytes_after_the_header_raise_a_documented_error_or_read(
    tmp_path: Path, tail: bytes
) -> None:
    path = tmp_path / "a.scv"
    path.write_bytes(HEADER.pack() + tail)
    with suppress(StreamCodecError):
        packets_of(path)


def test_an_index_that_claims_more_than_fits_is_not_believed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.scv", PACKETS)
    data = bytearray(path.read_bytes())
    with patch("google_crc32c.value", return_value=0):
        data[-8:-4] = bytes(4)  # the CRC that the patched function returns
        data[-32:-24] = (HEADER_BYTES).to_bytes(8, "little")
        path.write_bytes(data)
        header = bytearray(data[:HEADER_BYTES])
        header[-4:] = bytes(4)
        path.write_bytes(bytes(header) + bytes(data[HEADER_BYTES:]))
        with ScvReader(path) as reader:
            assert not reader.indexed


def test_torch_is_not_loaded() -> None:
    code = "import streamcodec.container, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
