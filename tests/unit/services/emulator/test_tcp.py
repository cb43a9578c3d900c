# SPDX-License-Identifier: Apache-2.0
"""The model of TCP: everything arrives once and in order, losses cost what they cost a kernel."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.emulator.loss import IndependentLoss
from services.emulator.profile import Direction, Outage, OutageKind, Profile, default_return
from services.emulator.queue import QueueLimits
from services.emulator.service import StepRate
from services.emulator.tcp import MSS_BYTES, Segment, TcpReceiver, TcpSender
from services.emulator.virtual import VirtualClock, VirtualConnection, VirtualPath


def profile(mbps: float = 4.0, *, queue_bytes: int = 60_000, **up: object) -> Profile:
    return Profile(
        name="test",
        up=Direction(
            rate=StepRate(((0, round(mbps * 1e6)),)),
            queue=QueueLimits(queue_bytes),
            delay_us=20_000,
            **up,  # type: ignore[arg-type]
        ),
        down=default_return(20_000),
    )


class Transfer:
    """A connection over a link, and when each position was readable."""

    def __init__(self, link: Profile, *, seed: int = 1) -> None:
        self.clock = VirtualClock()
        path = VirtualPath(self.clock, link, seed=seed)
        self.path = path
        self.reads: list[tuple[int, int]] = []
        self.connection = VirtualConnection(
            self.clock, path, lambda position: self.reads.append((self.clock.now_us, position))
        )

    def readable_us(self, position: int) -> int:
        return next(at for at, end in self.reads if end >= position)


def test_a_small_write_takes_one_transit() -> None:
    transfer = Transfer(profile())
    transfer.connection.write(1000)
    transfer.clock.run_until(1_000_000)
    assert transfer.reads == [(20_000 + 1052 * 2, 1000)]
    assert transfer.connection.unacknowledged_bytes == 0


def test_bulk_fills_the_link() -> None:
    transfer = Transfer(profile())
    transfer.connection.write(10_000_000)
    transfer.clock.run_until(15_000_000)
    carried = transfer.reads[-1][1] - next(p for at, p in transfer.reads if at > 5_000_000)
    assert carried * 8 / 10 > 0.93 * 4_000_000 * MSS_BYTES / 1500


def test_one_lost_packet_holds_what_follows_for_about_a_round_trip() -> None:
    lost = {3}
    sender, receiver = TcpSender(), TcpReceiver()
    sender.write(MSS_BYTES * 8)
    number = 0
    now_us = 0
    readable: list[tuple[int, int]] = []
    under_way = [(20_000, segment) for segment in sender.transmit(0)]
    while under_way:
        now_us, segment = under_way.pop(0)
        number += 1
        if number in lost:
            continue
        receipt = receiver.insert(segment)
        readable.append((now_us, receipt.next_byte))
        again = sender.on_receipt(receipt, now_us + 20_000)
        under_way += [(now_us + 40_000, one) for one in again]
    assert readable[-1] == (60_000, MSS_BYTES * 8)
    assert number == 9


def test_a_lost_tail_is_probed_and_a_black_out_doubles_the_timer() -> None:
    sender = TcpSender()
    sender.write(100)
    assert sender.transmit(0) == [Segment(0, 100)]
    times = []
    for attempt in range(2, 7):
        deadline = sender.deadline_us()
        assert deadline is not None
        times.append(deadline)
        assert sender.on_deadline(deadline) == [Segment(0, 100, attempt)]
    assert times == [1_000_000, 3_000_000, 7_000_000, 15_000_000, 31_000_000]


def test_probe_comes_before_the_timeout_once_the_round_trip_is_known() -> None:
    sender, receiver = TcpSender(), TcpReceiver()
    sender.write(5000)
    first, *_ = sender.transmit(0)
    sender.on_receipt(receiver.insert(first), 40_000)
    deadline = sender.deadline_us()
    assert deadline is not None
    assert deadline < 200_000
    assert len(sender.on_deadline(deadline)) == 1


def test_a_pause_of_the_link_is_no_loss_and_nothing_is_sent_twice_for_it() -> None:
    """As with the kernel's timestamps: the late answer to the first attempt takes the timeout back;
    only the probe and the first of the timer's attempts were in vain."""
    sender, receiver = TcpSender(), TcpReceiver()
    sender.write(MSS_BYTES)
    sender.on_receipt(receiver.insert(sender.transmit(0)[0]), 40_000)
    sender.write(6 * MSS_BYTES)
    held = sender.transmit(50_000)
    again = []
    while (deadline := sender.deadline_us()) is not None and deadline < 1_000_000:
        again += sender.on_deadline(deadline)
    for number, segment in enumerate(held):
        again += sender.on_receipt(receiver.insert(segment), 1_000_000 + 1_000 * number)
    assert receiver.next_byte == 7 * MSS_BYTES
    assert {segment.start for segment in again} <= {held[0].start, held[-1].start}
    sender.write(8 * MSS_BYTES)
    assert len(sender.transmit(1_010_000)) == 8, "the window is what it was"


def test_after_a_black_out_the_connection_catches_up_by_itself() -> None:
    black = Outage(1_000_000, 3_000_000, OutageKind.DROP)
    transfer = Transfer(profile(outages=(black,)))
    for ms in range(0, 8_000, 33):
        transfer.clock.at(ms * 1000, lambda: transfer.connection.write(4000) and None)
    transfer.clock.run_until(20_000_000)
    assert transfer.reads[-1][1] == 4000 * len(range(0, 8_000, 33))
    assert transfer.readable_us(4000 * 35) > 4_000_000


@settings(max_examples=40)
@given(
    st.integers(1, 200_000),
    st.floats(0, 0.2),
    st.integers(3_000, 60_000),
    st.integers(0, 1000),
)
def test_every_byte_arrives_once_and_in_order(
    size: int, loss: float, queue_bytes: int, seed: int
) -> None:
    transfer = Transfer(profile(loss=IndependentLoss(loss), queue_bytes=queue_bytes), seed=seed)
    transfer.connection.write(size)
    transfer.clock.run_until(4_000_000_000)
    positions = [position for _, position in transfer.reads]
    assert positions == sorted(set(positions))
    assert positions[-1] == size
    assert transfer.connection.unacknowledged_bytes == 0
