# SPDX-License-Identifier: Apache-2.0
"""Size M: networks correct the picture, exactly at both ends, and cannot make it worse."""

from __future__ import annotations

import numpy as np
import pytest

from streamcodec import Codec, Frame, _core, bitstream
from streamcodec.correction import read_levels, write_levels
from streamcodec.errors import HeaderError, ModelError, PayloadError, ReferenceMissing
from streamcodec.frame import Reference
from streamcodec.metrics import psnr611

torch = pytest.importorskip("torch", reason="size M needs torch")


@pytest.fixture(scope="module")
def large() -> Codec:
    return Codec.load("M", device="cpu")


def chain(codec: Codec, frames: list[Frame], quality: int) -> list[tuple[bytes, Reference]]:
    found: list[tuple[bytes, Reference]] = []
    for frame in frames:
        encoded = codec.encode(frame, found[-1][1] if found else None, quality=quality)
        assert encoded.packet is not None
        assert encoded.reference is not None
        found.append((encoded.packet, encoded.reference))
    return found


@pytest.mark.parametrize("quality", [8, 30, 50])
@pytest.mark.parametrize("threads", [1, 2])
def test_both_ends_hold_the_same_picture(
    large: Codec, frames: list[Frame], quality: int, threads: int
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        held: Reference | None = None
        for packet, reference in chain(large, frames, quality):
            shown, held = large.decode(packet, held)
            assert shown.same_pixels(reference.frame)
            assert held.digest == reference.digest
    finally:
        torch.set_num_threads(before)


def test_a_keyframe_is_never_farther_from_its_source_than_that_of_size_s(
    large: Codec, codec: Codec, frames: list[Frame]
) -> None:
    gained_db = []
    for quality in (6, 20, 34, 48):
        ours = chain(large, frames[:1], quality)[0]
        plain = chain(codec, frames[:1], quality)[0]
        gained_db.append(psnr611(frames[0], ours[1].frame) - psnr611(frames[0], plain[1].frame))
        assert len(ours[0]) <= len(plain[0]) + 8
    assert min(gained_db) >= 0


def test_a_packet_of_size_s_says_that_no_network_acts(codec: Codec, frames: list[Frame]) -> None:
    for packet, _ in chain(codec, frames[:3], 30):
        assert packet[0] >> 4 == bitstream.VERSION
        assert not bitstream.read_header(packet).stages & bitstream.NETWORK


def test_a_packet_of_size_m_is_refused_without_its_weights(
    large: Codec, codec: Codec, frames: list[Frame]
) -> None:
    (key, _), (inter, _) = chain(large, frames[:2], 24)
    with pytest.raises(ModelError, match="use the same weights at both ends"):
        codec.decode(key)
    own = codec.decode(chain(codec, frames[:1], 24)[0][0]).reference
    with pytest.raises(ReferenceMissing):
        codec.decode(inter, own)


def test_a_network_that_the_model_lacks_is_refused(codec: Codec, frames: list[Frame]) -> None:
    packet = chain(codec, frames[:1], 24)[0][0]
    header, payload = bitstream.unpack(packet)
    forged = bitstream.PacketHeader(
        keyframe=True,
        quality=header.quality,
        stages=header.stages | bitstream.NETWORK,
        reference=header.reference,
        width=header.width,
        height=header.height,
    )
    with pytest.raises(PayloadError):
        codec.decode(bitstream.pack(forged, payload))


def test_version_4_has_no_network(codec: Codec, frames: list[Frame]) -> None:
    packet = bytearray(chain(codec, frames[:1], 24)[0][0])
    packet[0] = 4 << 4 | 1
    packet[1] |= bitstream.NETWORK << 6
    with pytest.raises(HeaderError, match="version 4"):
        bitstream.read_header(bytes(packet))


@pytest.mark.parametrize("seed", range(6))
def test_levels_are_read_as_they_were_written(seed: int) -> None:
    rng = np.random.default_rng(seed)
    areas = rng.random((4, 7)) < 0.7
    levels = np.where(areas, rng.integers(0, 3, (2, 4, 7)), 0).astype(np.uint8)
    writer = _core.Writer()
    write_levels(writer, levels, areas)
    reader = _core.Reader(writer.encode())
    assert np.array_equal(read_levels(reader, areas), levels)
    assert reader.finished()


def test_levels_that_are_alike_cost_a_few_bytes() -> None:
    areas = np.ones((9, 15), np.bool_)
    writer = _core.Writer()
    write_levels(writer, np.full((2, 9, 15), 2, np.uint8), areas)
    assert len(writer.encode()) <= 34  # half of what fixed bits would take


def test_levels_cut_short_are_damage() -> None:
    areas = np.ones((20, 20), np.bool_)
    with pytest.raises(_core.Damaged):
        read_levels(_core.Reader(b"\x13\x57\x9b\xdf\x02\x46"), areas)


def test_the_self_test_of_size_m_is_not_that_of_size_s(large: Codec, codec: Codec) -> None:
    assert large.self_test() == Codec.load("M", device="cpu").self_test()
    assert large.self_test() != codec.self_test()
