# SPDX-License-Identifier: Apache-2.0
"""The messages of the session and their limits (docs/protocol.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

VERSION = 2
HASH_BYTES = 8
BOOT_ID_BYTES = 16
MAX_NAME_CHARS = 64
MIN_INTERVAL_US, MAX_INTERVAL_US = 1_000, 60_000_000  # of frames
MAX_REASON_CHARS = 240
MAX_PACKET_BYTES = 8 * 1024 * 1024  # on the way; a file may hold larger ones
MAX_HEAD_BYTES = 1400  # fits one packet of the link, so that its arrival is one instant
SLICE_BYTES = 1300  # of a packet that travel in its head message
MAX_MESSAGE_BYTES = MAX_PACKET_BYTES + 64
MAX_TIME_US = 2**62  # of any clock
MAX_SPAN_US = 2**40  # twelve days, of any duration
MAX_HOLD_US = 10_000_000


class Outcome(IntEnum):
    """What became of a frame at the receiver."""

    SHOWN = 0
    SUPERSEDED = 1  # decoded, but a newer frame was ready first
    REFERENCE_MISSING = 2
    DAMAGED = 3


class KeyframeReason(IntEnum):
    """Why a receiver asks for a keyframe."""

    USER = 0  # by a person, or by a relay for its viewers: the asker lacks no reference
    REFERENCE_MISSING = 1
    DAMAGED = 2
    OVERFLOW = 3


class ByeCode(IntEnum):
    """Why a peer ends the session, and whether coming back makes sense."""

    LEAVING = 0  # this process stops; another may take its place
    END_OF_STREAM = 1  # the source ended
    UNKNOWN = 2  # there is no such session here any more: send HELLO again
    REFUSED = 3  # the two ends do not fit; the text tells why
    BUSY = 4  # no room for another peer at the moment


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of a receiver. A relay has no model: its hashes are empty."""

    versions: tuple[int, ...]
    model_hash: bytes
    self_test: bytes
    stream: str  # the stream wanted; "" takes any
    name: str
    instance: int  # random per start: a returning receiver replaces its former self
    boot_id: bytes  # 16 bytes, or none where the system does not tell
    hold_us: int = 0  # how long frames are held on purpose before display, against jitter


@dataclass(frozen=True, slots=True)
class Welcome:
    """The sender's answer: what it will send."""

    epoch: int  # random per start of the sender; with the sequence it names a frame
    stream: str
    model_hash: bytes
    self_test: bytes
    size: str
    width: int
    height: int
    frame_interval_us: int
    boot_id: bytes

    @property
    def fps(self) -> float:
        """Frames a second, at most."""
        return 1e6 / self.frame_interval_us


@dataclass(frozen=True, slots=True)
class Ready:
    """The receiver has checked the WELCOME and can take frames."""

    epoch: int


@dataclass(frozen=True, slots=True)
class FrameHead:
    """Metadata of a frame and its first bytes; the sender's clock throughout."""

    epoch: int
    sequence: int
    captured_us: int
    until_encode_us: int  # from the capture until encoding began
    until_encoded_us: int  # until it ended
    until_sent_us: int  # until this message was handed to the transport
    size_bytes: int  # of the whole packet
    first: bytes
    error_us: int = 0  # how far captured_us may be off; MAX_SPAN_US: unknown, it means nothing


@dataclass(frozen=True, slots=True)
class FrameRest:
    """All bytes of the packet that its head did not carry."""

    epoch: int
    sequence: int
    rest: bytes


@dataclass(frozen=True, slots=True)
class FrameAck:
    """Arrival of one frame, stamped at once on the receiver's clock."""

    epoch: int
    sequence: int
    size_bytes: int
    head_us: int
    tail_us: int


@dataclass(frozen=True, slots=True)
class FrameShown:
    """What became of a frame: gives its credit back and tells how long each leg took."""

    epoch: int
    sequence: int
    outcome: Outcome
    latency_us: int  # capture to display; negative only if the clocks are that wrong
    error_us: int  # of the clock offset in it
    buffer_us: int
    decode_us: int
    display_us: int
    service_us: int  # the slowest stage's own time: what limits this receiver's rate


@dataclass(frozen=True, slots=True)
class KeyframeRequest:
    """The receiver lacks a reference; `sequence` is the last frame that it decoded."""

    epoch: int
    sequence: int
    reason: KeyframeReason


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a PONG: keeps the session alive and measures clock and round trip."""

    number: int
    sent_us: int


@dataclass(frozen=True, slots=True)
class Pong:
    """Answers a PING with the four times of RFC 5905, the fourth taken on arrival."""

    number: int
    ping_us: int
    received_us: int
    sent_us: int


@dataclass(frozen=True, slots=True)
class Bye:
    """The peer ends the session, with a sentence for a person."""

    code: ByeCode
    reason: str


Message: TypeAlias = (
    Hello
    | Welcome
    | Ready
    | FrameHead
    | FrameRest
    | FrameAck
    | FrameShown
    | KeyframeRequest
    | Ping
    | Pong
    | Bye
)
