# SPDX-License-Identifier: Apache-2.0
"""The bytes that messages travel as (docs/protocol.md).

Each is one ZeroMQ message of one part: a msgpack map with `v` (protocol version), `t` (kind) and
its fields. `unpack` returns a message that is right in every field or raises RemoteProtocolError;
it allocates no more than the bytes it was given.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

import msgpack  # type: ignore[import-untyped]  # ships no types

from services.errors import RemoteProtocolError
from services.protocol import messages as m
from services.protocol.wire import Fields, unpack_map

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


def pack(message: m.Message) -> bytes:
    """The bytes of a message."""
    kind, fields = _fields_of(message)
    return bytes(msgpack.packb({"v": m.VERSION, "t": int(kind), **fields}))


def unpack(data: bytes) -> m.Message:
    """The message in `data`, checked in every field; raises RemoteProtocolError."""
    fields = Fields(unpack_map(data, max_bytes=m.MAX_MESSAGE_BYTES), message="message")
    version = fields.integer("v", 0, _MAX_U32)
    if version != m.VERSION:
        raise RemoteProtocolError(
            f"peer speaks protocol version {version}, this end {m.VERSION}: update the older one"
        )
    kind = fields.integer("t", min(Kind), max(Kind))
    if kind != Kind.FRAME_REST and len(data) > m.MAX_HEAD_BYTES:
        raise RemoteProtocolError(f"{Kind(kind).name} has {len(data)} bytes, too many for it")
    message = _READERS[Kind(kind)](fields)
    fields.finish()
    return message


def _fields_of(message: m.Message) -> tuple[Kind, dict[str, object]]:  # noqa: PLR0911  # one per kind
    match message:
        case m.Hello():
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
        case m.Welcome():
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
        case m.Ready():
            return Kind.READY, {"e": message.epoch}
        case m.FrameHead():
            return Kind.FRAME, {
                "e": message.epoch,
                "q": message.sequence,
                "c": message.captured_us,
                "d": [message.until_encode_us, message.until_encoded_us, message.until_sent_us],
                "u": message.error_us,
                "n": message.size_bytes,
                "p": message.first,
            }
        case m.FrameRest():
            return Kind.FRAME_REST, {"e": message.epoch, "q": message.sequence, "p": message.rest}
        case m.FrameAck():
            return Kind.ACK, {
                "e": message.epoch,
                "q": message.sequence,
                "n": message.size_bytes,
                "h": message.head_us,
                "d": message.tail_us - message.head_us,
            }
        case m.FrameShown():
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
        case m.KeyframeRequest():
            return Kind.KEYFRAME_REQUEST, {
                "e": message.epoch,
                "q": message.sequence,
                "r": int(message.reason),
            }
        case m.Ping():
            return Kind.PING, {"i": message.number, "a": message.sent_us}
        case m.Pong():
            return Kind.PONG, {
                "i": message.number,
                "a": message.ping_us,
                "b": message.received_us,
                "c": message.sent_us,
            }
        case m.Bye():
            return Kind.BYE, {"o": int(message.code), "r": message.reason}


def _hello(fields: Fields) -> m.Hello:
    return m.Hello(
        versions=fields.integers("p", 0, _MAX_U32, most=8),
        model_hash=_hash(fields, "m"),
        self_test=_hash(fields, "x"),
        stream=fields.text("s", m.MAX_NAME_CHARS),
        name=fields.text("n", m.MAX_NAME_CHARS),
        instance=fields.integer("i", 0, _MAX_U64),
        boot_id=_boot_id(fields),
        hold_us=fields.integer("d", 0, m.MAX_HOLD_US),
    )


def _welcome(fields: Fields) -> m.Welcome:
    return m.Welcome(
        epoch=_epoch(fields),
        stream=fields.text("s", m.MAX_NAME_CHARS),
        model_hash=_hash(fields, "m"),
        self_test=_hash(fields, "x"),
        size=fields.text("z", 8),
        width=fields.integer("w", 0, 4096),
        height=fields.integer("h", 0, 2304),
        frame_interval_us=fields.integer("f", m.MIN_INTERVAL_US, m.MAX_INTERVAL_US),
        boot_id=_boot_id(fields),
    )


def _frame(fields: Fields) -> m.FrameHead:
    epoch, sequence = _epoch(fields), _sequence(fields)
    captured_us = fields.integer("c", 0, m.MAX_TIME_US)
    spans = fields.integers("d", 0, m.MAX_SPAN_US, most=3)
    error_us = fields.integer("u", 0, m.MAX_SPAN_US)
    size_bytes = fields.integer("n", 1, m.MAX_PACKET_BYTES)
    first = fields.data("p", range(1, m.SLICE_BYTES + 1))
    if len(spans) != 3 or not spans[0] <= spans[1] <= spans[2]:
        raise RemoteProtocolError("FRAME: its three times are not in order")
    if len(first) != min(size_bytes, m.SLICE_BYTES):
        raise RemoteProtocolError(
            f"FRAME: carries {len(first)} bytes of {size_bytes}, "
            f"expected {min(size_bytes, m.SLICE_BYTES)}"
        )
    return m.FrameHead(epoch, sequence, captured_us, *spans, size_bytes, first, error_us)


def _frame_rest(fields: Fields) -> m.FrameRest:
    return m.FrameRest(
        _epoch(fields),
        _sequence(fields),
        fields.data("p", range(1, m.MAX_PACKET_BYTES - m.SLICE_BYTES + 1)),
    )


def _ack(fields: Fields) -> m.FrameAck:
    epoch, sequence = _epoch(fields), _sequence(fields)
    size_bytes = fields.integer("n", 1, m.MAX_PACKET_BYTES)
    head_us = fields.integer("h", 0, m.MAX_TIME_US)
    return m.FrameAck(
        epoch, sequence, size_bytes, head_us, head_us + fields.integer("d", 0, m.MAX_SPAN_US)
    )


def _shown(fields: Fields) -> m.FrameShown:
    epoch, sequence = _epoch(fields), _sequence(fields)
    outcome = m.Outcome(fields.integer("o", min(m.Outcome), max(m.Outcome)))
    latency_us = fields.integer("l", -m.MAX_SPAN_US, m.MAX_SPAN_US)
    spans = fields.integers("d", 0, m.MAX_SPAN_US, most=5)
    if len(spans) != 5:
        raise RemoteProtocolError(f"SHOWN: {len(spans)} durations, expected 5")
    return m.FrameShown(epoch, sequence, outcome, latency_us, *spans)


def _keyframe_request(fields: Fields) -> m.KeyframeRequest:
    return m.KeyframeRequest(
        _epoch(fields),
        _sequence(fields),
        m.KeyframeReason(fields.integer("r", min(m.KeyframeReason), max(m.KeyframeReason))),
    )


def _ping(fields: Fields) -> m.Ping:
    return m.Ping(fields.integer("i", 0, _MAX_U32), fields.integer("a", 0, m.MAX_TIME_US))


def _pong(fields: Fields) -> m.Pong:
    pong = m.Pong(
        fields.integer("i", 0, _MAX_U32),
        fields.integer("a", 0, m.MAX_TIME_US),
        fields.integer("b", 0, m.MAX_TIME_US),
        fields.integer("c", 0, m.MAX_TIME_US),
    )
    if pong.sent_us < pong.received_us:
        raise RemoteProtocolError("PONG: was sent before the PING arrived")
    return pong


def _bye(fields: Fields) -> m.Bye:
    return m.Bye(
        m.ByeCode(fields.integer("o", min(m.ByeCode), max(m.ByeCode))),
        fields.text("r", m.MAX_REASON_CHARS),
    )


def _epoch(fields: Fields) -> int:
    return fields.integer("e", 0, _MAX_U32)


def _sequence(fields: Fields) -> int:
    return fields.integer("q", 0, _MAX_U32)


def _hash(fields: Fields, key: str) -> bytes:
    return fields.data(key, range(0, m.HASH_BYTES + 1, m.HASH_BYTES))


def _boot_id(fields: Fields) -> bytes:
    return fields.data("b", range(0, m.BOOT_ID_BYTES + 1, m.BOOT_ID_BYTES))


_READERS: dict[Kind, Callable[[Fields], m.Message]] = {
    Kind.HELLO: _hello,
    Kind.WELCOME: _welcome,
    Kind.READY: lambda fields: m.Ready(_epoch(fields)),
    Kind.FRAME: _frame,
    Kind.FRAME_REST: _frame_rest,
    Kind.ACK: _ack,
    Kind.SHOWN: _shown,
    Kind.KEYFRAME_REQUEST: _keyframe_request,
    Kind.PING: _ping,
    Kind.PONG: _pong,
    Kind.BYE: _bye,
}
