# SPDX-License-Identifier: Apache-2.0
"""Stored packets of size M decode to the stored samples by every execution of the networks.

The core's at every level of instructions that the machine has, and those of torch.
"""

from __future__ import annotations

import pytest

from streamcodec import Codec, bitstream
from streamcodec.correction import Networks
from streamcodec.frame import Reference
from streamcodec.parallel import Threads
from tests.conformance import material
from tests.conformance.material import VECTORS_M


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load("M", device="cpu")


def test_vectors_belong_to_the_shipped_weights(codec: Codec) -> None:
    assert material.model_hash(VECTORS_M) == codec.model_hash.hex(), (
        "the weights have changed: run python -m tests.conformance.regenerate M"
    )


def decode_all(codec: Codec) -> None:
    acting = 0
    for recipe in material.RECIPES_M:
        held: Reference | None = None
        for step in material.read(recipe.name, VECTORS_M):
            held = codec.decode(step.packet, held).reference
            assert material.digest_of_symbols(held) == step.symbols
            assert material.digest_of_planes(held.frame) == step.planes
            acting += bool(bitstream.read_header(step.packet).stages & bitstream.NETWORK)
    assert acting >= 4


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("count", [1, 3])
def test_stored_packets_decode_to_stored_samples(codec: Codec, count: int) -> None:
    with Threads(count) as threads:
        decode_all(codec.sharing(threads))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("execution", ["bytes", "float"])
def test_stored_packets_decode_to_stored_samples_by_torch(
    codec: Codec, execution: str, threads: int
) -> None:
    torch = pytest.importorskip("torch", reason="networks on a GPU run by torch")
    from streamcodec.networks.conv.network import ExecutedNetwork  # noqa: PLC0415

    key, inter = codec.model.decoder_networks
    assert key is not None
    assert inter is not None
    cpu = torch.device("cpu")
    try:
        networks = Networks(
            ExecutedNetwork(key, cpu, execution), ExecutedNetwork(inter, cpu, execution)
        )
    except (RuntimeError, NotImplementedError, AttributeError) as error:
        pytest.skip(f"not in this torch: {error}")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        decode_all(Codec(codec.model, size="M", networks=networks))
    finally:
        torch.set_num_threads(before)
