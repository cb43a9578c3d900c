# SPDX-License-Identifier: Apache-2.0
"""A lane of the stream proxy: nothing is lost, everything is in order, loss shows as delay."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from services.emulator.lane import CHUNK_BYTES, Lane
from services.emulator.loss import BurstLoss, IndependentLoss
from services.emulator.profile import Outage, OutageKind, constant

LINK = constant(4_000_000).up


def lane(**up: object) -> Lane:
    return Lane(replace(LINK, **up), seed=1, label="up", base_rtt_us=40_000)  # type: ignore[arg-type]


def test_a_chunk_is_charged_with_its_headers_and_the_path() -> None:
    one = lane()
    one.push(0, "a", b"x" * CHUNK_BYTES)
    assert one.next_us() == 3_000 + 20_000
    assert one.pop(22_999) == []
    assert [(c.at_us, len(c.data)) for c in one.pop(23_000)] == [(23_000, CHUNK_BYTES)]
    assert one.carried_bytes == 1500


def test_a_full_queue_has_no_room_until_the_link_served_it() -> None:
    one = lane()
    pushed = 0
    while one.has_room(0):
        one.push(0, "a", b"x" * CHUNK_BYTES)
        pushed += 1
    assert pushed == 60_000 // 1500
    assert not one.has_room(2_999)
    assert one.has_room(3_000)


def test_a_lost_chunk_and_what_follows_come_a_round_trip_later() -> None:
    one = lane(loss=IndependentLoss(1.0))
    one.push(0, "a", b"1")
    (chunk,) = one.pop(10**7)
    assert chunk.at_us == 106 + 20_000 + 40_000
    assert one.repaired_chunks == 1


def test_a_burst_costs_a_timeout() -> None:
    one = lane(loss=BurstLoss(1.0, 1e-9))
    for _ in range(5):
        one.push(0, "a", b"1")
    times = [chunk.at_us for chunk in one.pop(10**7)]
    assert times[2] < 100_000
    assert times[3] > 260_000


def test_an_outage_that_drops_holds_instead() -> None:
    one = lane(outages=(Outage(0, 1_000_000, OutageKind.DROP),))
    one.push(500, "a", b"1")
    assert [chunk.at_us for chunk in one.pop(10**7)] == [1_000_000 + 106 + 20_000]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 20_000), st.sampled_from("ab"), st.integers(1, CHUNK_BYTES)),
        max_size=60,
    ),
    st.floats(0, 1),
)
def test_every_byte_comes_out_once_and_in_order(
    offers: list[tuple[int, str, int]], loss: float
) -> None:
    one = lane(loss=IndependentLoss(loss))
    now_us = 0
    sent: dict[str, list[bytes]] = {"a": [], "b": []}
    came: dict[str, list[bytes]] = {"a": [], "b": []}

    def collect(until_us: int) -> None:
        for chunk in one.pop(until_us):
            came[str(chunk.stream)].append(chunk.data)

    for number, (wait_us, stream, size) in enumerate(offers):
        now_us += wait_us
        collect(now_us)
        if one.has_room(now_us):
            data = number.to_bytes(2, "big") * size
            one.push(now_us, stream, data[:CHUNK_BYTES])
            sent[stream].append(data[:CHUNK_BYTES])
    collect(10**12)
    assert came == sent
    assert one.next_us() is None
