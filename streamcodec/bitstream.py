# SPDX-License-Identifier: Apache-2.0
"""The packet: every field of a coded frame laid out in one place (docs/bitstream.md).

offset  size  field
0       1     `VERSION` (high 4 bits) and flags (bit 0: keyframe, bits 1-3: zero)
1       1     quality index 0..63 (low 6 bits), stages (bit 6: loop filter, bit 7: network)
2       4     inter frame: digest of the reference
2       8     keyframe: model hash
10      4     keyframe: width - 1 and height - 1, two little-endian u16
...           payload, see `docs/bitstream.md`
end-4   4     CRC-32C of all bytes before it, little endian
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

import google_crc32c

from streamcodec.errors import HeaderError, PayloadError
from streamcodec.frame import MAX_HEIGHT_PX, MAX_WIDTH_PX, MIN_SIDE_PX

VERSION = 5  # written
_WITHOUT_NETWORK = 4
VERSIONS = (_WITHOUT_NETWORK, VERSION)  # read
LOOP_FILTER, NETWORK = 1, 2  # of `PacketHeader.stages`
QUALITIES = 64
MODEL_HASH_BYTES = 8
DIGEST_BYTES = 4  # enough to tell apart the few references that a receiver holds
CRC_BYTES = 4
MAX_PACKET_BYTES = 32 * 1024 * 1024  # more than two raw frames of the largest size
INTER_HEADER_BYTES = 2 + DIGEST_BYTES
KEY_HEADER_BYTES = 2 + MODEL_HASH_BYTES + 4

_KEYFRAME = 0x01


@dataclass(frozen=True, slots=True)
class PacketHeader:
    """The fixed fields of a packet. `width` and `height` are 0 in inter frames.

    `stages` says what acts on the picture after deblocking: LOOP_FILTER, NETWORK, or both.
    """

    keyframe: bool
    quality: int
    stages: int
    reference: bytes  # digest of the reference (4 bytes); of a keyframe: the model hash (8)
    width: int = 0
    height: int = 0

    @property
    def size_bytes(self) -> int:
        return KEY_HEADER_BYTES if self.keyframe else INTER_HEADER_BYTES


def pack(header: PacketHeader, payload: bytes) -> bytes:
    """Header, payload and CRC as one packet."""
    body = struct.pack(
        "<BB",
        VERSION << 4 | (_KEYFRAME if header.keyframe else 0),
        header.stages << 6 | header.quality,
    )
    body += header.reference
    if header.keyframe:
        body += struct.pack("<HH", header.width - 1, header.height - 1)
    body += payload
    return body + struct.pack("<I", google_crc32c.value(body))


def unpack(packet: bytes) -> tuple[PacketHeader, bytes]:
    """Check a packet and split it into header and payload.

    Raises HeaderError when the fixed fields are wrong, PayloadError when the CRC is.
    """
    header = read_header(packet)
    (expected,) = struct.unpack_from("<I", packet, len(packet) - CRC_BYTES)
    if google_crc32c.value(bytes(packet[:-CRC_BYTES])) != expected:
        raise PayloadError(f"packet of {len(packet)} bytes: CRC-32C does not match")
    return header, bytes(packet[header.size_bytes : -CRC_BYTES])


def read_header(packet: bytes) -> PacketHeader:
    """The fixed fields alone, checked, without looking at payload or CRC."""
    if not INTER_HEADER_BYTES + CRC_BYTES <= len(packet) <= MAX_PACKET_BYTES:
        raise HeaderError(
            f"packet has {len(packet)} bytes, expected {INTER_HEADER_BYTES + CRC_BYTES} "
            f"to {MAX_PACKET_BYTES}"
        )
    first, second = packet[0], packet[1]
    if first >> 4 not in VERSIONS:
        raise HeaderError(
            f"packet byte 0: version {first >> 4}, this decoder reads {VERSIONS[0]} to {VERSION}"
        )
    if first & 0x0E:
        raise HeaderError(f"packet byte 0: reserved flags {first & 0x0E:#x} are set")
    if first >> 4 == _WITHOUT_NETWORK and second >> 6 & NETWORK:
        raise HeaderError(f"packet byte 1: a network in version {_WITHOUT_NETWORK}, which has none")
    keyframe = bool(first & _KEYFRAME)
    width = height = 0
    reference = bytes(packet[2:INTER_HEADER_BYTES])
    if keyframe:
        if len(packet) < KEY_HEADER_BYTES + CRC_BYTES:
            raise HeaderError(f"keyframe has {len(packet)} bytes, too few for its header")
        reference = bytes(packet[2 : 2 + MODEL_HASH_BYTES])
        width, height = (side + 1 for side in struct.unpack_from("<HH", packet, 10))
        if not (MIN_SIDE_PX <= width <= MAX_WIDTH_PX and MIN_SIDE_PX <= height <= MAX_HEIGHT_PX):
            raise HeaderError(f"packet bytes 10-13: size {width}x{height} is out of range")
    return PacketHeader(keyframe, second & 0x3F, second >> 6, reference, width, height)


def digest_after(packet: bytes, reference: bytes) -> bytes:
    """Name of the reference that this packet leads to, from the name it starts at.

    `reference` is the digest before it (4 bytes), `b""` for a keyframe.
    """
    return hashlib.blake2b(reference + packet, digest_size=DIGEST_BYTES).digest()
