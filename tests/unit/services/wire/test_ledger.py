# SPDX-License-Identifier: Apache-2.0
"""A connection is cut for what it leaves lying, and an honest one never is."""

from __future__ import annotations

import pytest

from services.wire.ledger import CALM_BYTES, SILENT_US, Allowance, Ledger

SECOND_US = 1_000_000
A, B = 7, 8
LIMIT = Allowance().waiting_bytes


def ledger(*numbers: int, allowance: Allowance | None = None, connects: bool = False) -> Ledger:
    made = Ledger(allowance or Allowance(), all_trusted=connects)
    for number in numbers:
        assert made.opened(number, 0) is None
    return made


def test_parts_without_end_are_cut_once_they_exceed_the_limit() -> None:
    book = ledger(A)
    assert book.judge({A: LIMIT}, 1) == []
    (cut,) = book.judge({A: LIMIT + 1}, 2)
    assert cut.number == A
    assert str(LIMIT) in cut.reason
    assert book.numbers == ()


def test_what_was_handed_over_does_not_count() -> None:
    book = ledger(A)
    book.delivered(A, LIMIT, 1)
    assert book.judge({A: 2 * LIMIT}, 2) == []
    assert book.judge({A: 2 * LIMIT + 97}, 3) != []


def test_an_hour_of_heartbeats_and_small_messages_leaves_nothing_lying() -> None:
    book = ledger(A)
    total = 700  # a CURVE handshake
    for second in range(3600):
        total += 2 * 60 + 4 * (90 + 43)  # two heartbeats; PINGs and PONGs with their framing
        for _ in range(4):
            book.delivered(A, 90, second * SECOND_US)
        assert book.judge({A: total}, second * SECOND_US) == []
    assert book.waiting_bytes_of_all < 1000


def test_nothing_is_saved_up_for_a_later_flood() -> None:
    book = ledger(A)
    for _ in range(10_000):
        book.delivered(A, 1, 1)  # each settles more than it weighed
    assert book.judge({A: 60_000}, 1) == []
    assert book.judge({A: 60_000 + LIMIT + 1}, 2) != []


def test_only_the_trusted_one_may_leave_a_packet_lying() -> None:
    book = ledger(A, B, allowance=Allowance(trusted_waiting_bytes=1_000_000))
    book.trust(A)
    assert [cut.number for cut in book.judge({A: 1_000_000, B: 1_000_000}, 1)] == [B]
    assert [cut.number for cut in book.judge({A: 1_000_001}, 2)] == [A]


def test_trust_moves_to_the_next_sender() -> None:
    book = ledger(A, B, allowance=Allowance(trusted_waiting_bytes=1_000_000))
    book.trust(A)
    book.trust(B)
    assert [cut.number for cut in book.judge({A: 500_000, B: 500_000}, 1)] == [A]


def test_a_flood_of_whole_messages_is_cut_for_its_rate() -> None:
    allowance = Allowance(bytes_per_s=100_000)
    book = ledger(A, B, allowance=allowance)
    total = 0
    for second in range(1, 11):
        total += 90_000
        for number in (A, B):
            book.delivered(number, 120_000, second * SECOND_US)
        assert book.judge({A: total, B: total}, second * SECOND_US) == []
    for number in (A, B):
        book.delivered(number, 400_000, 10 * SECOND_US)
    (cut,) = book.judge({A: total + 300_000, B: total + 90_000}, 11 * SECOND_US)
    assert (cut.number, "100000 bytes a second" in cut.reason) == (A, True)


def test_who_says_nothing_whole_for_long_is_let_go() -> None:
    book = ledger(A, B)
    book.delivered(B, 10, SILENT_US)
    assert [cut.number for cut in book.judge({A: 100, B: 100}, SILENT_US + 1)] == [A]


def test_an_end_that_connects_minds_neither_silence_nor_rate() -> None:
    book = ledger(A, allowance=Allowance(trusted_waiting_bytes=10**9), connects=True)
    assert book.judge({A: 10**8}, 10 * SILENT_US) == []


def test_beyond_the_limit_the_oldest_that_never_spoke_makes_room() -> None:
    book = ledger(1, 2, 3, allowance=Allowance(connections=3))
    book.delivered(1, 10, 1)
    cut = book.opened(4, 2)
    assert cut is not None
    assert (cut.number, book.numbers) == (2, (1, 3, 4))


def test_when_all_have_spoken_the_newcomer_goes() -> None:
    book = ledger(1, 2, allowance=Allowance(connections=2))
    for number in (1, 2):
        book.delivered(number, 10, 1)
    cut = book.opened(3, 2)
    assert cut is not None
    assert cut.number == 3


def test_when_memory_runs_low_those_with_most_lying_go_until_the_rest_is_little() -> None:
    many = dict.fromkeys(range(20), 100000) | {20: 900, 21: 90_000}
    book = ledger(*many)
    assert book.judge(many, 1) == []  # each is within its own limit
    cuts = book.judge(many, 2, pressed=True)
    assert book.waiting_bytes_of_all <= CALM_BYTES
    assert {20, 21} <= set(book.numbers)  # those with least stay
    assert len(cuts) == 16


def test_calm_accounts_are_let_be_whatever_memory_does() -> None:
    book = ledger(A)
    assert book.judge({A: 5000}, 1, pressed=True) == []


@pytest.mark.parametrize(("age_us", "goes"), [(500_000, False), (2_000_000, True)])
def test_where_the_kernel_does_not_count_the_mute_go_when_memory_runs_low(
    age_us: int, goes: bool
) -> None:
    book = ledger(A, B)
    book.delivered(B, 10, age_us)
    assert book.judge({A: None, B: None}, age_us) == []
    cuts = book.judge({A: None, B: None}, age_us, pressed=True)
    assert [cut.number for cut in cuts] == ([A] if goes else [])


def test_a_descriptor_that_is_used_again_starts_a_fresh_account() -> None:
    book = ledger(A)
    book.judge({A: LIMIT}, 1)
    book.closed(A)
    book.opened(A, 2)
    assert book.judge({A: 10}, 3) == []
    assert book.waiting_bytes_of_all == 10


def test_newcomers_wait_while_those_who_are_gone_left_too_much() -> None:
    book = ledger(A)
    assert book.judge({A: LIMIT}, 1) == []
    book.closed(A)
    assert book.left_bytes == LIMIT
    assert not book.is_full
    for turn in range(2, 6):  # one after the other, each as much as it may
        assert book.opened(A, turn) is None
        assert len(book.judge({A: LIMIT + 1}, turn)) == 1
    assert book.is_full
    book.drained()
    assert not book.is_full
    assert book.left_bytes == 0


def test_what_was_handed_over_before_it_went_is_not_left() -> None:
    book = ledger(A)
    book.delivered(A, LIMIT, 1)
    assert book.judge({A: LIMIT}, 2) == []
    book.closed(A)
    assert book.left_bytes == 0


def test_memory_that_grows_while_the_port_is_behind_keeps_newcomers_out() -> None:
    book = ledger(A)
    book.overrun()
    assert book.is_full
    assert book.numbers == (A,)  # who is in stays
    book.drained()
    assert not book.is_full


def test_an_end_that_connects_never_keeps_its_peer_out() -> None:
    book = ledger(A, connects=True)
    book.judge({A: 2 * CALM_BYTES}, 1)
    book.closed(A)
    assert not book.is_full
