# SPDX-License-Identifier: Apache-2.0
"""The packets since the last keyframe, kept for receivers that join late or fall behind; pure.

Packets are numbered as they come. A receiver that gets the keyframe and all packets after it has
the same picture as all others. A chain that grows beyond its bounds loses its first packets: then
only a new keyframe serves a newcomer, and the relay asks for one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from services.protocol.messages import MAX_PACKET_BYTES
from services.protocol.train import Arrival
from streamcodec.bitstream import digest_after, read_header
from streamcodec.errors import PayloadError

MAX_FRAMES = 120  # four seconds at 30 frames a second: replayed in less than one
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ChainedPacket:
    """One packet with what it needs and what it leads to. Times are on the relay's own clock."""

    data: bytes
    sequence: int
    reference: bytes  # b"" for a keyframe
    digest: bytes
    captured_us: int
    encode_start_us: int
    encode_end_us: int
    arrived_us: int
    error_us: int = 0  # how far the times may be off, clocks of all hops before included

    @property
    def keyframe(self) -> bool:
        """True when it needs nothing before it."""
        return not self.reference


def chained(arrival: Arrival, *, captured_us: int, error_us: int = 0) -> ChainedPacket:
    """What came in, with its capture moved to the relay's clock. Raises BitstreamError."""
    if len(arrival.packet) > MAX_PACKET_BYTES:
        raise PayloadError(
            f"packet of {len(arrival.packet)} bytes: at most {MAX_PACKET_BYTES} can be sent"
        )
    header = read_header(arrival.packet)
    reference = b"" if header.keyframe else header.reference
    head = arrival.head
    return ChainedPacket(
        arrival.packet,
        head.sequence,
        reference,
        digest_after(arrival.packet, reference),
        captured_us,
        captured_us + head.until_encode_us,
        captured_us + head.until_encoded_us,
        arrival.tail_us,
        error_us,
    )


class Chain:
    """Keeps the newest packets by number, bounded in frames and bytes.

    With `keeps_past` packets before a keyframe are kept: a receiver that is still there gets them.
    """

    def __init__(
        self,
        *,
        max_frames: int = MAX_FRAMES,
        max_bytes: int = MAX_BYTES,
        keeps_past: bool = False,
    ) -> None:
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._keeps_past = keeps_past
        self._packets: deque[ChainedPacket] = deque()
        self._bytes = 0
        self._start = 0  # number of the oldest kept
        self._keyframe: int | None = None

    @property
    def end(self) -> int:
        """The number that the next packet will get."""
        return self._start + len(self._packets)

    @property
    def start(self) -> int:
        """The number of the oldest packet that is kept."""
        return self._start

    @property
    def keyframe(self) -> int | None:
        """The number of the last keyframe, while it and all after it are kept."""
        return self._keyframe

    @property
    def size_bytes(self) -> int:
        """Of all packets that are kept."""
        return self._bytes

    def append(self, packet: ChainedPacket) -> None:
        """Take the next packet; a keyframe drops all before it, unless the past is kept."""
        if packet.keyframe:
            if not self._keeps_past:
                self._drop(len(self._packets))
            self._keyframe = self.end
        self._packets.append(packet)
        self._bytes += len(packet.data)
        while len(self._packets) > self._max_frames or self._bytes > self._max_bytes:
            self._drop(1)
        if self._keyframe is not None and self._keyframe < self._start:
            self._keyframe = None

    def get(self, number: int) -> ChainedPacket | None:
        """The packet of that number; None when it is not kept (any more)."""
        index = number - self._start
        return self._packets[index] if 0 <= index < len(self._packets) else None

    def clear(self) -> None:
        """Another stream begins. Numbers go on, so that its packets are told apart."""
        self._drop(len(self._packets))
        self._keyframe = None

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._bytes -= len(self._packets.popleft().data)
        self._start += count
