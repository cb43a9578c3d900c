# SPDX-License-Identifier: Apache-2.0
"""A port hears a peer over the connection and with the key that it has now."""

from __future__ import annotations

from services.wire.gatekeeper import FixedGate
from services.wire.known_peers import KnownPeers
from services.wire.ledger import Cut

A, B = b"a", b"b"
KEY = b"k" * 40


def known(*, listens: bool = True) -> KnownPeers:
    peers = KnownPeers(FixedGate(frozenset({KEY})), listens=listens)
    peers.speaks(A, 7)
    peers.has_key(A, KEY)
    return peers


def test_what_a_cut_connection_left_is_not_heard_until_its_descriptor_is_anothers() -> None:
    peers = known()
    peers.has_cut(Cut(7, "too much"))
    peers.forget_cut()
    assert peers.take_cut_reasons() == ("too much",)
    assert peers.take_cut_reasons() == ()
    assert peers.is_gone(A)
    assert peers.was_cut(7)
    assert peers.number_of(A) is None
    peers.connected(7)
    assert not peers.was_cut(7)
    assert peers.is_gone(A)


def test_the_one_peer_of_an_end_that_connects_is_heard_over_its_next_connection() -> None:
    peers = known(listens=False)
    assert peers.forget(A) == 7
    assert not peers.is_gone(A)
    assert peers.forget(A) is None


def test_a_name_is_that_of_the_key_of_the_last_message() -> None:
    peers = known()
    assert peers.name_of(A) == ""
    peers.has_key(A, b"x" * 40)
    assert peers.name_of(A) is None
    assert peers.name_of(B) is None


def test_a_barred_key_is_let_in_again_after_ten_seconds() -> None:
    peers = known()
    peers.bar(A, 1_000_000)
    assert peers.is_barred(A, 10_999_999)
    assert not peers.is_barred(A, 11_000_000)
    peers.has_key(B, KEY)
    assert peers.is_barred(B, 5_000_000)  # the key is, whoever shows it


def test_thousands_of_peers_take_bounded_room_and_the_last_ones_are_known() -> None:
    peers = known()
    for number in range(10_000):
        peers.speaks(b"%d" % number, number)
    assert peers.number_of(A) is None
    assert peers.number_of(b"9999") == 9999
