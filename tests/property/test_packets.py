# SPDX-License-Identifier: Apache-2.0
"""Hostile packets: whatever the bytes, a documented error or a picture, in bounded memory."""

from __future__ import annotations

import tracemalloc
from functools import cache

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.media.scene import Scene
from streamcodec import Codec, bitstream
from streamcodec.bitstream import CRC_BYTES, PacketHeader
from streamcodec.errors import BitstreamError, ModelError, ReferenceMissing
from streamcodec.frame import Reference

EXPECTED = (BitstreamError, ReferenceMissing, ModelError)


def sealed(body: bytes) -> bytes:
    """The body with a true CRC, so that what lies behind the CRC check is reached."""
    return body + google_crc32c.value(body).to_bytes(4, "little")


@cache
def material() -> tuple[Codec, tuple[bytes, ...], tuple[Reference | None, ...]]:
    """The codec, a keyframe and an inter frame, and the reference of each."""
    codec = Codec.load()
    scene = Scene(64, 48, seed=2)
    key = codec.encode(scene.frame(0), quality=22)
    inter = codec.encode(scene.frame(6), key.reference, quality=24)
    assert key.packet is not None
    assert inter.packet is not None
    return codec, (key.packet, inter.packet), (None, key.reference)


def survives(packet: bytes, reference: Reference | None) -> bool:
    """Decode; True when a picture came out. Anything but an expected error fails the test."""
    try:
        decoded = material()[0].decode(packet, reference)
    except EXPECTED:
        return False
    assert decoded.frame.y.dtype == np.uint8
    return True


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_unpack_of_any_bytes_returns_a_header_or_a_bitstream_error(data: bytes) -> None:
    try:
        header, payload = bitstream.unpack(data)
    except BitstreamError:
        return
    assert bitstream.pack(header, payload) == data


@given(
    st.booleans(),
    st.integers(0, 63),
    st.integers(0, 3),
    st.binary(min_size=8, max_size=8),
    st.integers(16, 4096),
    st.integers(16, 2304),
    st.binary(max_size=64),
)
@settings(max_examples=200)
def test_packed_headers_come_back(  # noqa: PLR0917  (one argument for each field)
    keyframe: bool,
    quality: int,
    strength: int,
    name: bytes,
    width: int,
    height: int,
    payload: bytes,
) -> None:
    size = (width, height) if keyframe else (0, 0)
    reference = name if keyframe else name[: bitstream.DIGEST_BYTES]
    header = PacketHeader(keyframe, quality, strength, reference, *size)
    assert bitstream.unpack(bitstream.pack(header, payload)) == (header, payload)


@given(st.binary(max_size=300))
@settings(max_examples=150)
def test_any_bytes_decode_to_a_picture_or_an_expected_error(data: bytes) -> None:
    survives(data, material()[2][1])


@given(st.binary(max_size=120), st.integers(0, 63), st.integers(0, 3), st.booleans())
@settings(max_examples=150)
def test_any_payload_behind_a_true_header_is_handled(
    payload: bytes, quality: int, strength: int, keyframe: bool
) -> None:
    codec, _, references = material()
    reference = references[0 if keyframe else 1]
    name = codec.model_hash if reference is None else reference.digest
    size = (64, 48) if keyframe else (0, 0)
    packet = bitstream.pack(PacketHeader(keyframe, quality, strength, name, *size), payload)
    survives(packet, reference)


@pytest.mark.parametrize("which", [0, 1], ids=["keyframe", "inter frame"])
def test_every_damaged_byte_is_noticed_by_the_crc(which: int) -> None:
    _, packets, references = material()
    packet = packets[which]
    for at in range(len(packet)):
        for flip in (1, 255):
            damaged = bytearray(packet)
            damaged[at] ^= flip
            assert not survives(bytes(damaged), references[which])


@pytest.mark.parametrize("which", [0, 1], ids=["keyframe", "inter frame"])
def test_every_damaged_byte_behind_a_true_crc_is_handled(which: int) -> None:
    _, packets, references = material()
    body = packets[which][:-CRC_BYTES]
    for at in range(len(body)):
        for flip in (1, 0x80):
            damaged = bytearray(body)
            damaged[at] ^= flip
            if which == 0 and 10 <= at < 14:
                continue  # another size: see the test of a tiny packet that claims a huge one
            survives(sealed(bytes(damaged)), references[which])


@pytest.mark.parametrize("which", [0, 1], ids=["keyframe", "inter frame"])
def test_every_truncation_behind_a_true_crc_is_refused(which: int) -> None:
    _, packets, references = material()
    body = packets[which][:-CRC_BYTES]
    for length in range(len(body)):
        assert not survives(sealed(body[:length]), references[which])
        assert not survives(packets[which][:length], references[which])


@pytest.mark.parametrize("extra", [b"\0", b"\0\0", b"\xff\xff\xff"])
def test_bytes_after_the_end_are_refused(extra: bytes) -> None:
    _, packets, references = material()
    for packet, reference in zip(packets, references, strict=True):
        assert not survives(sealed(packet[:-CRC_BYTES] + extra), reference)


@pytest.mark.parametrize("payload", [b"", b"\0" * 6, b"\xff" * 6, bytes(range(40))])
def test_a_tiny_packet_that_claims_the_largest_picture_costs_little_memory(payload: bytes) -> None:
    codec = material()[0]
    header = PacketHeader(True, 63, 1, codec.model_hash, 4096, 2304)
    packet = bitstream.pack(header, payload)
    tracemalloc.start()
    try:
        survives(packet, None)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 250e6  # 27 bytes a pixel; a raw frame and its symbols take half
