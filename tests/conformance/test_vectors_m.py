# SPDX-License-Identifier: Apache-2.0
"""Stored packets of size M decode to the stored samples by every execution of the networks."""

from __future__ import annotations

import pytest

from streamcodec import Codec, bitstream
from streamcodec.correction import Networks
from streamcodec.frame import Reference
from tests.conformance import material
from tests.conformance.material import VECTORS_M

torch = pytest.importorskip("torch", reason="size M needs torch")


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load("M", device="cpu")


def test_vectors_belong_to_the_shipped_weights(codec: Codec) -> None:
    assert material.model_hash(VECTORS_M) == codec.model_hash.hex(), (
        "the weights have changed: run python -m tests.conformance.regenerate M"
    )


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("execution", ["fused", "bytes", "float"])
def test_stored_packets_decode_to_stored_samples(
    codec: Codec, execution: str, threads: int
) -> None:
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
    executed = Codec(codec.model, size="M", networks=networks)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    acting = 0
    try:
        for recipe in material.RECIPES_M:
            held: Reference | None = None
            for step in material.read(recipe.name, VECTORS_M):
                held = executed.decode(step.packet, held).reference
                assert material.digest_of_symbols(held) == step.symbols
                assert material.digest_of_planes(held.frame) == step.planes
                acting += bool(bitstream.read_header(step.packet).stages & bitstream.NETWORK)
    finally:
        torch.set_num_threads(before)
    assert acting >= 4
