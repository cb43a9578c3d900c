# SPDX-License-Identifier: Apache-2.0
"""A packet gives its own picture or a verdict, never another picture."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.protocol.messages import KeyframeReason, Outcome
from services.receiver.decoding import MAX_FAILURES, Decoding, Picture, Undecodable
from streamcodec.frame import Frame, Reference
from tests.fakes import FakeCodec, noise_frame


def chain(length: int) -> list[tuple[bytes, Frame]]:
    """Packets and the pictures they must give, each coded from the one before."""
    codec, reference, made = FakeCodec(), None, []
    for shift in range(length):
        encoded = codec.encode(noise_frame(shift=shift), reference, quality=35)
        assert encoded.packet is not None
        reference = encoded.reference
        assert isinstance(reference, Reference)
        made.append((encoded.packet, reference.frame))
    return made


CHAIN = chain(12)


def test_a_chain_gives_its_pictures() -> None:
    decoding = Decoding(FakeCodec())
    for packet, meant in CHAIN:
        result = decoding.decode(packet)
        assert isinstance(result, Picture)
        assert result.frame.same_pixels(meant)


def test_after_a_rest_only_the_last_reference_is_held() -> None:
    decoding = Decoding(FakeCodec())
    for packet, _ in CHAIN[:3]:
        decoding.decode(packet)
    decoding.rest()
    again = decoding.decode(CHAIN[2][0])  # its reference is the second, which is gone
    assert isinstance(again, Undecodable)
    assert again.outcome is Outcome.REFERENCE_MISSING
    after = decoding.decode(CHAIN[3][0])
    assert isinstance(after, Picture)
    assert after.frame.same_pixels(CHAIN[3][1])


def test_of_two_codecs_each_chain_gets_the_one_whose_model_it_names() -> None:
    other = FakeCodec(model=b"other")
    key = other.encode(noise_frame(), None, quality=35)
    inter = other.encode(noise_frame(shift=1), key.reference, quality=35)
    decoding = Decoding(FakeCodec(), other)
    for packet, meant in ((key.packet, key), (inter.packet, inter)):
        assert packet is not None
        assert meant.reference is not None
        result = decoding.decode(packet)
        assert isinstance(result, Picture)
        assert result.frame.same_pixels(meant.reference.frame)
    assert isinstance(decoding.decode(CHAIN[0][0]), Picture)
    third = FakeCodec(model=b"third").encode(noise_frame(), None, quality=35)
    assert third.packet is not None
    assert isinstance(decoding.decode(third.packet), Undecodable)


@given(st.lists(st.integers(0, len(CHAIN) - 1), max_size=30))
@settings(max_examples=50)
def test_whatever_is_lost_or_repeated_no_wrong_picture_comes_out(order: list[int]) -> None:
    decoding = Decoding(FakeCodec())
    for index in order:
        packet, meant = CHAIN[index]
        result = decoding.decode(packet)
        if isinstance(result, Picture):
            assert result.frame.same_pixels(meant)
        else:
            assert result.outcome is Outcome.REFERENCE_MISSING


def test_every_changed_byte_of_a_packet_is_a_verdict() -> None:
    decoding = Decoding(FakeCodec())
    (key, _), (inter, _) = CHAIN[:2]
    decoding.decode(key)
    for packet in (key, inter):
        for position in range(len(packet)):
            changed = bytearray(packet)
            changed[position] ^= 0x55
            assert isinstance(decoding.decode(bytes(changed)), Undecodable)
        for length in range(0, len(packet), 7):
            assert isinstance(decoding.decode(packet[:length]), Undecodable)


def test_a_missing_reference_asks_for_a_keyframe() -> None:
    result = Decoding(FakeCodec()).decode(CHAIN[3][0])
    assert isinstance(result, Undecodable)
    assert result.reason is KeyframeReason.REFERENCE_MISSING


def test_a_decoder_that_breaks_is_forgiven_but_not_for_ever() -> None:
    codec = FakeCodec()
    decoding = Decoding(codec)
    codec.fail_decoding = True
    for _ in range(MAX_FAILURES - 1):
        result = decoding.decode(CHAIN[0][0])
        assert isinstance(result, Undecodable)
        assert result.broken
    with pytest.raises(RuntimeError):
        decoding.decode(CHAIN[0][0])


def test_a_decoder_that_recovers_starts_anew() -> None:
    codec = FakeCodec()
    decoding = Decoding(codec)
    for _ in range(3):
        codec.fail_decoding = True
        for _ in range(MAX_FAILURES - 1):
            decoding.decode(CHAIN[0][0])
        codec.fail_decoding = False
        assert isinstance(decoding.decode(CHAIN[0][0]), Picture)
