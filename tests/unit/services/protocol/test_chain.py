# SPDX-License-Identifier: Apache-2.0
"""The chain keeps a keyframe and all after it, within its bounds."""

from __future__ import annotations

from services.protocol.chain import Chain, ChainedPacket


def packet(sequence: int, *, keyframe: bool = False, size: int = 100) -> ChainedPacket:
    reference = b"" if keyframe else b"r" * 8
    return ChainedPacket(bytes(size), sequence, reference, bytes([sequence % 256]) * 8, 0, 0, 0, 0)


def test_a_keyframe_makes_what_was_before_worthless() -> None:
    chain = Chain()
    for number in range(3):
        chain.append(packet(number, keyframe=number == 0))
    chain.append(packet(3, keyframe=True))
    assert (chain.start, chain.keyframe, chain.end) == (3, 3, 4)
    assert chain.get(2) is None


def test_a_chain_that_outgrows_its_frames_loses_its_head() -> None:
    chain = Chain(max_frames=4)
    for number in range(5):
        chain.append(packet(number, keyframe=number == 0))
    assert chain.keyframe is None
    assert (chain.start, chain.end) == (1, 5)


def test_a_chain_that_outgrows_its_bytes_loses_its_head() -> None:
    chain = Chain(max_bytes=250)
    for number in range(3):
        chain.append(packet(number, keyframe=number == 0))
    assert chain.keyframe is None
    assert chain.size_bytes == 200


def test_numbers_go_on_in_another_stream() -> None:
    chain = Chain()
    chain.append(packet(0, keyframe=True))
    chain.clear()
    chain.append(packet(0, keyframe=True))
    assert (chain.keyframe, chain.end) == (1, 2)


def test_a_chain_that_keeps_the_past_still_knows_its_last_keyframe() -> None:
    chain = Chain(max_frames=5, keeps_past=True)
    for number in range(4):
        chain.append(packet(number, keyframe=number in {0, 2}))
    assert (chain.start, chain.keyframe, chain.end) == (0, 2, 4)
    for number in range(4, 8):
        chain.append(packet(number))
    assert (chain.start, chain.keyframe) == (3, None)
