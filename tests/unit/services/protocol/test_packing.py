# SPDX-License-Identifier: Apache-2.0
"""Messages survive the round trip; any other bytes raise RemoteProtocolError and nothing else."""

from __future__ import annotations

from dataclasses import replace

import msgpack  # type: ignore[import-untyped]  # ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import RemoteProtocolError
from services.protocol import messages as m
from services.protocol.packing import Kind, pack, unpack

U32 = st.integers(0, 2**32 - 1)
TIMES = st.integers(0, m.MAX_TIME_US)
SPANS = st.integers(0, m.MAX_SPAN_US)
HASHES = st.just(b"") | st.binary(min_size=8, max_size=8)
BOOTS = st.just(b"") | st.binary(min_size=16, max_size=16)
NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N"]), max_size=m.MAX_NAME_CHARS)

HELLOS = st.builds(
    m.Hello,
    versions=st.lists(U32, min_size=1, max_size=8).map(tuple),
    model_hash=HASHES,
    self_test=HASHES,
    stream=NAMES,
    name=NAMES,
    instance=st.integers(0, 2**64 - 1),
    boot_id=BOOTS,
    hold_us=st.integers(0, m.MAX_HOLD_US),
)
WELCOMES = st.builds(
    m.Welcome,
    epoch=U32,
    stream=NAMES,
    model_hash=HASHES,
    self_test=HASHES,
    size=st.sampled_from(["S", "M", "L"]),
    width=st.integers(0, 4096),
    height=st.integers(0, 2304),
    frame_interval_us=st.integers(1_000, 60_000_000),
    boot_id=BOOTS,
)


@st.composite
def heads(draw: st.DrawFn) -> m.FrameHead:
    first = draw(st.binary(min_size=1, max_size=m.SLICE_BYTES))
    size = len(first)
    if size == m.SLICE_BYTES:
        size = draw(st.integers(size, m.MAX_PACKET_BYTES))
    start, end, sent = sorted(draw(st.tuples(SPANS, SPANS, SPANS)))
    return m.FrameHead(
        draw(U32), draw(U32), draw(TIMES), start, end, sent, size, first, draw(SPANS)
    )


@st.composite
def pongs(draw: st.DrawFn) -> m.Pong:
    received, sent = sorted((draw(TIMES), draw(TIMES)))
    return m.Pong(draw(U32), draw(TIMES), received, sent)


MESSAGES = st.one_of(
    HELLOS,
    WELCOMES,
    st.builds(m.Ready, U32),
    heads(),
    st.builds(m.FrameRest, U32, U32, st.binary(min_size=1, max_size=3000)),
    st.builds(
        lambda e, q, n, head, span: m.FrameAck(e, q, n, head, head + span),
        U32,
        U32,
        st.integers(1, m.MAX_PACKET_BYTES),
        TIMES,
        SPANS,
    ),
    st.builds(
        m.FrameShown,
        U32,
        U32,
        st.sampled_from(m.Outcome),
        st.integers(-m.MAX_SPAN_US, m.MAX_SPAN_US),
        SPANS,
        SPANS,
        SPANS,
        SPANS,
        SPANS,
    ),
    st.builds(m.KeyframeRequest, U32, U32, st.sampled_from(m.KeyframeReason)),
    st.builds(m.Ping, U32, TIMES),
    pongs(),
    st.builds(m.Bye, st.sampled_from(m.ByeCode), NAMES),
)

FRAME = m.FrameHead(7, 12, 10**12, 900, 21_000, 21_500, 5000, bytes(range(250)) * 6)
FRAME = replace(FRAME, first=FRAME.first[: m.SLICE_BYTES])


def read_or_refuse(data: bytes) -> m.Message | None:
    """The message, or None for a refusal; any other exception escapes and fails the test."""
    try:
        return unpack(data)
    except RemoteProtocolError:
        return None


@given(MESSAGES)
def test_unpacking_what_was_packed_gives_the_same_message(message: m.Message) -> None:
    assert unpack(pack(message)) == message


@given(MESSAGES)
def test_every_message_but_the_rest_of_a_frame_fits_one_packet(message: m.Message) -> None:
    if not isinstance(message, m.FrameRest):
        assert len(pack(message)) <= m.MAX_HEAD_BYTES


def test_the_largest_head_fits_one_packet_and_costs_little() -> None:
    worst = m.FrameHead(
        2**32 - 1,
        2**32 - 1,
        m.MAX_TIME_US,
        m.MAX_SPAN_US,
        m.MAX_SPAN_US,
        m.MAX_SPAN_US,
        m.MAX_PACKET_BYTES,
        bytes(m.SLICE_BYTES),
    )
    assert len(pack(worst)) <= m.MAX_HEAD_BYTES
    small = m.FrameHead(2**31, 100_000, 10**12, 900, 21_000, 21_500, 40, bytes(40))
    assert len(pack(small)) - 40 <= 60


@given(st.binary(max_size=2000))
def test_random_bytes_are_refused(data: bytes) -> None:
    message = read_or_refuse(data)
    assert message is None or unpack(pack(message)) == message


LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
VALUES = st.recursive(
    LEAVES | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from("vteqcdnphslorbaiwzmxf"), VALUES), st.integers(0, 12))
def test_well_formed_maps_with_wrong_fields_are_refused(
    fields: dict[str, object], kind: int
) -> None:
    read_or_refuse(msgpack.packb({**fields, "v": m.VERSION, "t": kind}))


@given(MESSAGES, st.data())
def test_changed_bytes_give_another_message_or_a_refusal(
    m_: m.Message, data: st.DataObject
) -> None:
    packed = bytearray(pack(m_))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    message = read_or_refuse(bytes(packed))
    assert message is None or unpack(pack(message)) == message


def test_every_byte_of_a_frame_message_can_have_every_value() -> None:
    packed = pack(FRAME)
    overhead = len(packed) - len(FRAME.first)
    for position in (*range(overhead), *range(overhead, len(packed), 97)):
        for value in range(256):
            changed = packed[:position] + bytes([value]) + packed[position + 1 :]
            read_or_refuse(changed)


def test_a_frame_message_cut_anywhere_is_refused() -> None:
    packed = pack(FRAME)
    for length in range(len(packed)):
        assert read_or_refuse(packed[:length]) is None


def test_bytes_after_the_message_are_refused() -> None:
    assert read_or_refuse(pack(FRAME) + b"\0") is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0",
        b"\x91" * 5000,  # nested deeper than any parser's stack
        b"\xdf\xff\xff\xff\xff",  # a map of four thousand million
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x81\xc4\x01v\x01",  # a key of bytes
        b"\xd6\xff\x00\x00\x00\x00",  # a timestamp
    ],
)
def test_hostile_msgpack_is_refused(data: bytes) -> None:
    assert read_or_refuse(data) is None


def test_another_protocol_version_is_named_in_the_refusal() -> None:
    with pytest.raises(RemoteProtocolError, match=f"version {m.VERSION + 1}"):
        unpack(msgpack.packb({"v": m.VERSION + 1, "t": 1}))


def test_names_that_would_move_a_terminal_are_refused() -> None:
    assert read_or_refuse(pack(m.Bye(m.ByeCode.LEAVING, "\x1b[2J"))) is None


def test_an_oversized_control_message_is_refused() -> None:
    packed = msgpack.packb({"v": m.VERSION, "t": int(Kind.BYE), "o": 0, "r": "x" * 1500})
    assert read_or_refuse(packed) is None
