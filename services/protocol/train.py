# SPDX-License-Identifier: Apache-2.0
"""A frame travels as a train, its head message and then the rest, and so measures the link.

The receiver stamps both on arrival. The spacing of head and tail is the time that the link took for
the bytes between them, whatever the load (docs/protocol.md, section Frames).
"""

from __future__ import annotations

from dataclasses import dataclass

from services.errors import RemoteProtocolError
from services.protocol.messages import SLICE_BYTES, FrameAck, FrameHead, FrameRest


@dataclass(frozen=True, slots=True)
class Arrival:
    """A whole packet with its metadata and when its head and tail came, receiver's clock."""

    head: FrameHead
    packet: bytes
    head_us: int
    tail_us: int

    def ack(self) -> FrameAck:
        """The acknowledgement that is due at once."""
        return FrameAck(
            self.head.epoch, self.head.sequence, len(self.packet), self.head_us, self.tail_us
        )


def split(
    packet: bytes,
    *,
    epoch: int,
    sequence: int,
    captured_us: int,
    encode_start_us: int,
    encode_end_us: int,
    sent_us: int,
    error_us: int = 0,
) -> tuple[FrameHead, FrameRest | None]:
    """The one or two messages of a packet. All times are points on the sender's clock, which may
    be off by `error_us` where the capture was on another machine."""
    head = FrameHead(
        epoch=epoch,
        sequence=sequence,
        captured_us=captured_us,
        until_encode_us=max(0, encode_start_us - captured_us),
        until_encoded_us=max(0, encode_end_us - captured_us),
        until_sent_us=max(0, sent_us - captured_us),
        size_bytes=len(packet),
        first=packet[:SLICE_BYTES],
        error_us=error_us,
    )
    if len(packet) <= SLICE_BYTES:
        return head, None
    return head, FrameRest(epoch, sequence, packet[SLICE_BYTES:])


class Assembler:
    """Joins heads and rests. Holds at most one head, so a hostile peer costs 1400 bytes."""

    def __init__(self) -> None:
        self._head: FrameHead | None = None
        self._head_us = 0
        self.incomplete = 0  # heads whose rest never came

    def head(self, head: FrameHead, *, now_us: int) -> Arrival | None:
        """Take a head; return the packet when it needs no rest."""
        if self._head is not None:
            self.incomplete += 1
            self._head = None
        if head.size_bytes == len(head.first):
            return Arrival(head, head.first, now_us, now_us)
        self._head, self._head_us = head, now_us
        return None

    def rest(self, rest: FrameRest, *, now_us: int) -> Arrival:
        """Take a rest; return its packet. Raises RemoteProtocolError when it fits no head."""
        head, self._head = self._head, None
        if head is None or (head.epoch, head.sequence) != (rest.epoch, rest.sequence):
            raise RemoteProtocolError(
                f"FRAME_REST {rest.sequence}: its head did not come before it"
            )
        if len(head.first) + len(rest.rest) != head.size_bytes:
            raise RemoteProtocolError(
                f"FRAME_REST {rest.sequence}: {len(rest.rest)} bytes, expected "
                f"{head.size_bytes - len(head.first)}"
            )
        return Arrival(head, head.first + rest.rest, self._head_us, now_us)

    def clear(self) -> None:
        """Forget a head that is waiting: the connection is a new one."""
        self._head = None
