# SPDX-License-Identifier: Apache-2.0
"""Stored packets decode to the stored symbols and samples, bit for bit.

At every level of instructions that the machine has, alone and on threads.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streamcodec import Codec
from streamcodec.errors import BitstreamError
from streamcodec.frame import Reference
from streamcodec.metrics import psnr_plane
from streamcodec.parallel import Threads
from tests.conformance import material

NAMES = [recipe.name for recipe in material.RECIPES]


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load()


@pytest.fixture(params=[1, 3], ids=["one thread", "three threads"])
def threaded(request: pytest.FixtureRequest, codec: Codec) -> Iterator[Codec]:
    """The codec with a pool of its own."""
    with Threads(request.param) as threads:
        yield codec.sharing(threads)


def test_vectors_belong_to_the_shipped_weights(codec: Codec) -> None:
    assert material.model_hash() == codec.model_hash.hex(), (
        "the weights have changed: run python -m tests.conformance.regenerate"
    )


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("recipe", material.RECIPES, ids=NAMES)
def test_stored_packets_decode_to_stored_symbols_and_samples(
    threaded: Codec, recipe: material.Recipe
) -> None:
    held: Reference | None = None
    for step, source in zip(material.read(recipe.name), material.pictures(recipe), strict=True):
        held = threaded.decode(step.packet, held).reference
        assert material.digest_of_symbols(held) == step.symbols
        assert material.digest_of_planes(held.frame) == step.planes
        assert psnr_plane(source.y, held.frame.y) == pytest.approx(step.psnr_y_db, abs=0.3)


@pytest.mark.parametrize("name", NAMES)
def test_stored_packets_cut_short_are_refused(codec: Codec, name: str) -> None:
    packet = material.read(name)[0].packet
    for length in (0, 5, 13, len(packet) // 2, len(packet) - 1):
        with pytest.raises(BitstreamError):
            codec.decode(packet[:length])
