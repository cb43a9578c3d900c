# SPDX-License-Identifier: Apache-2.0
"""The messages of the session: dataclasses, and the bytes they travel as (docs/protocol.md).

Each message is one ZeroMQ message of one part: a msgpack map with `v` (protocol version) and `t`
(kind) and the fields below. `unpack` returns a message that is right in every field or raises
RemoteProtocolError; it allocates no more than the bytes it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import msgpack  # type: ignore[import-untyped]  # ships no types

from services.errors import RemoteProtocolError
from services.protocol.wire import Fields, unpack_map

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
_MAX_U32 = 2**32 - 1
_MAX_U64 = 2**64 - 1


class Kind(IntEnum):
    """Field `t`: which message this is."""

    HELLO = 1
    WELCOME = 2
    READY = 3
    FRAME = 4
    FRAME_REST = 5
    ACK = 6
    SHOWN = 7
    KEYFRAME_REQUEST = 8
    PING = 9
    PONG = 10
    BYE = 11


class Outcome(IntEnum):
    """What became of a frame at the receiver."""

    SHOWN = 0
    SUPERSEDED = 1  # decoded, but a newer frame was ready first
    REFERENCE_MISSING = 2
    DAMAGED = 3


class KeyframeReason(IntEnum):
    """Why a receiver cannot go on without a keyframe."""

    USER = 0  # asked for by a person, or by a relay for its viewers: the asker lacks nothing
    REFERENCE_MISSING = 1
    DAMAGED = 2
    OVERFLOW = 3


class ByeCode(IntEnum):
    """Why a peer ends the session, and whether coming back makes sense."""

    LEAVING = 0  # this process stops; another may take its place
    END_OF_STREAM = 1  # the source ended
    UNKNOWN = 2  # the session is not known here any more: say HELLO again
    REFUSED = 3  # the two ends do not fit; the text says why
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
    """The end of a frame's way: gives its credit back and tells how long each leg took."""

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
    """Asks for a PONG: proves life and measures clock and round trip."""

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


def pack(message: Message) -> bytes:
    """The bytes of a message."""
    kind, fields = _fields_of(message)
    return bytes(msgpack.packb({"v": VERSION, "t": int(kind), **fields}))


def unpack(data: bytes) -> Message:
    """The message in `data`, checked in every field; raises RemoteProtocolError."""
    fields = Fields(unpack_map(data, max_bytes=MAX_MESSAGE_BYTES), message="message")
    version = fields.integer("v", 0, _MAX_U32)
    if version != VERSION:
        raise RemoteProtocolError(
            f"peer speaks protocol version {version}, this end {VERSION}: update the older one"
        )
    kind = fields.integer("t", min(Kind), max(Kind))
    if kind != Kind.FRAME_REST and len(data) > MAX_HEAD_BYTES:
        raise RemoteProtocolError(f"{Kind(kind).name} has {len(data)} bytes, too many for it")
    message = _READERS[Kind(kind)](fields)
    fields.finish()
    return message


def _fields_of(message: Message) -> tuple[Kind, dict[str, object]]:  # noqa: PLR0911  # one per kind
    match message:
        case Hello():
            return Kind.HELLO, {
                "p": list(message.versions),
                "m": message.model_hash,
                "x": message.self_test,
                "s": message.stream,
                "n": message.name,
                "i": message.instance,
                "b": message.boot_id,
                "d": message.hold_us,
            }
        case Welcome():
            return Kind.WELCOME, {
                "e": message.epoch,
                "s": message.stream,
                "m": message.model_hash,
                "x": message.self_test,
                "z": message.size,
                "w": message.width,
                "h": message.height,
                "f": message.frame_interval_us,
                "b": message.boot_id,
            }
        case Ready():
            return Kind.READY, {"e": message.epoch}
        case FrameHead():
            return Kind.FRAME, {
                "e": message.epoch,
                "q": message.sequence,
                "c": message.captured_us,
                "d": [message.until_encode_us, message.until_encoded_us, message.until_sent_us],
                "u": message.error_us,
                "n": message.size_bytes,
                "p": message.first,
            }
        case FrameRest():
            return Kind.FRAME_REST, {"e": message.epoch, "q": message.sequence, "p": message.rest}
        case FrameAck():
            return Kind.ACK, {
                "e": message.epoch,
                "q": message.sequence,
                "n": message.size_bytes,
                "h": message.head_us,
                "d": message.tail_us - message.head_us,
            }
        case FrameShown():
            return Kind.SHOWN, {
                "e": message.epoch,
                "q": message.sequence,
                "o": int(message.outcome),
                "l": message.latency_us,
                "d": [
                    message.error_us,
                    message.buffer_us,
                    message.decode_us,
                    message.display_us,
                    message.service_us,
                ],
            }
        case KeyframeRequest():
            return Kind.KEYFRAME_REQUEST, {
                "e": message.epoch,
                "q": message.sequence,
                "r": int(message.reason),
            }
        case Ping():
            return Kind.PING, {"i": message.number, "a": message.sent_us}
        case Pong():
            return Kind.PONG, {
                "i": message.number,
                "a": message.ping_us,
                "b": message.received_us,
                "c": message.sent_us,
            }
        case Bye():
            return Kind.BYE, {"o": int(message.code), "r": message.reason}


def _hello(fields: Fields) -> Hello:
    return Hello(
        versions=fields.integers("p", 0, _MAX_U32, most=8),
        model_hash=_hash(fields, "m"),
        self_test=_hash(fields, "x"),
        stream=fields.text("s", MAX_NAME_CHARS),
        name=fields.text("n", MAX_NAME_CHARS),
        instance=fields.integer("i", 0, _MAX_U64),
        boot_id=_boot_id(fields),
        hold_us=fields.integer("d", 0, MAX_HOLD_US),
    )


def _welcome(fields: Fields) -> Welcome:
    return Welcome(
        epoch=_epoch(fields),
        stream=fields.text("s", MAX_NAME_CHARS),
        model_hash=_hash(fields, "m"),
        self_test=_hash(fields, "x"),
        size=fields.text("z", 8),
        width=fields.integer("w", 0, 4096),
        height=fields.integer("h", 0, 2304),
        frame_interval_us=fields.integer("f", MIN_INTERVAL_US, MAX_INTERVAL_US),
        boot_id=_boot_id(fields),
    )


def _frame(fields: Fields) -> FrameHead:
    epoch, sequence = _epoch(fields), _sequence(fields)
    captured_us = fields.integer("c", 0, MAX_TIME_US)
    spans = fields.integers("d", 0, MAX_SPAN_US, most=3)
    error_us = fields.integer("u", 0, MAX_SPAN_US)
    size_bytes = fields.integer("n", 1, MAX_PACKET_BYTES)
    first = fields.data("p", range(1, SLICE_BYTES + 1))
    if len(spans) != 3 or not spans[0] <= spans[1] <= spans[2]:
        raise RemoteProtocolError("FRAME: its three times are not in order")
    if len(first) != min(size_bytes, SLICE_BYTES):
        raise RemoteProtocolError(
            f"FRAME: carries {len(first)} bytes of {size_bytes}, "
            f"expected {min(size_bytes, SLICE_BYTES)}"
        )
    return FrameHead(epoch, sequence, captured_us, *spans, size_bytes, first, error_us)


def _frame_rest(fields: Fields) -> FrameRest:
    return FrameRest(
        _epoch(fields),
        _sequence(fields),
        fields.data("p", range(1, MAX_PACKET_BYTES - SLICE_BYTES + 1)),
    )


def _ack(fields: Fields) -> FrameAck:
    epoch, sequence = _epoch(fields), _sequence(fields)
    size_bytes = fields.integer("n", 1, MAX_PACKET_BYTES)
    head_us = fields.integer("h", 0, MAX_TIME_US)
    return FrameAck(
        epoch, sequence, size_bytes, head_us, head_us + fields.integer("d", 0, MAX_SPAN_US)
    )


def _shown(fields: Fields) -> FrameShown:
    epoch, sequence = _epoch(fields), _sequence(fields)
    outcome = Outcome(fields.integer("o", min(Outcome), max(Outcome)))
    latency_us = fields.integer("l", -MAX_SPAN_US, MAX_SPAN_US)
    spans = fields.integers("d", 0, MAX_SPAN_US, most=5)
    if len(spans) != 5:
        raise RemoteProtocolError(f"SHOWN: {len(spans)} durations, expected 5")
    return FrameShown(epoch, sequence, outcome, latency_us, *spans)


def _keyframe_request(fields: Fields) -> KeyframeRequest:
    return KeyframeRequest(
        _epoch(fields),
        _sequence(fields),
        KeyframeReason(fields.integer("r", min(KeyframeReason), max(KeyframeReason))),
    )


def _ping(fields: Fields) -> Ping:
    return Ping(fields.integer("i", 0, _MAX_U32), fields.integer("a", 0, MAX_TIME_US))


def _pong(fields: Fields) -> Pong:
    pong = Pong(
        fields.integer("i", 0, _MAX_U32),
        fields.integer("a", 0, MAX_TIME_US),
        fields.integer("b", 0, MAX_TIME_US),
        fields.integer("c", 0, MAX_TIME_US),
    )
    if pong.sent_us < pong.received_us:
        raise RemoteProtocolError("PONG: was sent before the PING arrived")
    return pong


def _bye(fields: Fields) -> Bye:
    return Bye(
        ByeCode(fields.integer("o", min(ByeCode), max(ByeCode))),
        fields.text("r", MAX_REASON_CHARS),
    )


def _epoch(fields: Fields) -> int:
    return fields.integer("e", 0, _MAX_U32)


def _sequence(fields: Fields) -> int:
    return fields.integer("q", 0, _MAX_U32)


def _hash(fields: Fields, key: str) -> bytes:
    return fields.data(key, range(0, HASH_BYTES + 1, HASH_BYTES))


def _boot_id(fields: Fields) -> bytes:
    return fields.data("b", range(0, BOOT_ID_BYTES + 1, BOOT_ID_BYTES))


_READERS: dict[Kind, Callable[[Fields], Message]] = {
    Kind.HELLO: _hello,
    Kind.WELCOME: _welcome,
    Kind.READY: lambda fields: Ready(_epoch(fields)),
    Kind.FRAME: _frame,
    Kind.FRAME_REST: _frame_rest,
    Kind.ACK: _ack,
    Kind.SHOWN: _shown,
    Kind.KEYFRAME_REQUEST: _keyframe_request,
    Kind.PING: _ping,
    Kind.PONG: _pong,
    Kind.BYE: _bye,
}
