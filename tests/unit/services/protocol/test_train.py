# SPDX-License-Identifier: Apache-2.0
"""A packet cut into its train comes together again, and only as a whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import RemoteProtocolError
from services.protocol.messages import SLICE_BYTES, FrameHead, FrameRest
from services.protocol.train import Assembler, split


def train(packet: bytes, sequence: int = 1) -> tuple[FrameHead, FrameRest | None]:
    return split(
        packet,
        epoch=5,
        sequence=sequence,
        captured_us=1000,
        encode_start_us=1200,
        encode_end_us=9000,
        sent_us=9100,
    )


@given(st.integers(1, 4 * SLICE_BYTES), st.integers(0, 10_000))
def test_a_train_gives_its_packet_and_both_stamps(size: int, span_us: int) -> None:
    packet = bytes(i % 251 for i in range(size))
    head, rest = train(packet)
    assembler = Assembler()
    arrival = assembler.head(head, now_us=50_000)
    if rest is not None:
        assert arrival is None
        arrival = assembler.rest(rest, now_us=50_000 + span_us)
    assert arrival is not None
    assert arrival.packet == packet
    assert arrival.head_us == 50_000
    assert arrival.tail_us == 50_000 + (span_us if rest else 0)
    assert arrival.ack().size_bytes == size


def test_a_small_packet_is_one_message() -> None:
    assert train(bytes(SLICE_BYTES))[1] is None
    assert train(bytes(SLICE_BYTES + 1))[1] is not None


def test_a_head_without_its_rest_is_counted_and_forgotten() -> None:
    assembler = Assembler()
    first, _ = train(bytes(5000), 1)
    second, rest = train(bytes(5000), 2)
    assert rest is not None
    assembler.head(first, now_us=1)
    assembler.head(second, now_us=2)
    assert assembler.incomplete == 1
    assert assembler.rest(rest, now_us=3).head.sequence == 2


def test_a_rest_that_fits_no_head_is_refused() -> None:
    assembler = Assembler()
    head, rest = train(bytes(5000), 1)
    assert rest is not None
    with pytest.raises(RemoteProtocolError):
        assembler.rest(rest, now_us=1)
    assembler.head(head, now_us=1)
    with pytest.raises(RemoteProtocolError):
        assembler.rest(FrameRest(5, 1, rest.rest[:-1]), now_us=2)
    with pytest.raises(RemoteProtocolError):  # and its head went with it
        assembler.rest(rest, now_us=3)
