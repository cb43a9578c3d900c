# SPDX-License-Identifier: Apache-2.0
"""A model may hold an encoder network: only the sender knows."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from streamcodec import Codec, Frame
from streamcodec.errors import ModelError
from streamcodec.frame import Reference

torch = pytest.importorskip("torch", reason="size M needs torch")

from streamcodec.networks.conv.encoder import EncoderNetwork, EncoderShape  # noqa: E402


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped size M, and encoder networks with an effect."""
    shipped = resources.files("streamcodec.weights") / "m.safetensors"
    arrays = dict(safetensors.numpy.load(shipped.read_bytes()))
    torch.manual_seed(5)
    for kind in ("key", "inter"):
        network = EncoderNetwork(EncoderShape(16, 1))
        torch.nn.init.normal_(network.leave.weight, std=0.1)
        arrays = {n: a for n, a in arrays.items() if not n.startswith(f"encoder.{kind}.")}
        arrays |= network.to_arrays(kind)
    path = tmp_path_factory.mktemp("weights") / "m.safetensors"
    path.write_bytes(safetensors.numpy.save(arrays))
    return path


def chain(codec: Codec, frames: list[Frame]) -> list[tuple[bytes, Reference]]:
    found: list[tuple[bytes, Reference]] = []
    for frame in frames:
        encoded = codec.encode(frame, found[-1][1] if found else None, quality=30)
        assert encoded.packet is not None
        assert encoded.reference is not None
        found.append((encoded.packet, encoded.reference))
    return found


def test_packets_decode_without_the_encoder_network(weights: Path, frames: list[Frame]) -> None:
    sender = Codec.load("M", device="cpu", weights=weights)
    receiver = Codec.load("M", device="cpu")
    assert sender.model_hash == receiver.model_hash
    assert sender.self_test() == receiver.self_test()
    held: Reference | None = None
    sent = chain(sender, frames[:3])
    for packet, reference in sent:
        shown, held = receiver.decode(packet, held)
        assert shown.same_pixels(reference.frame)
    plain = chain(receiver, frames[:3])
    assert [p for p, _ in sent] != [p for p, _ in plain]


def test_effort_fast_does_not_ask_it(weights: Path, frames: list[Frame]) -> None:
    sender = Codec.load("M", device="cpu", weights=weights).trying("fast")
    plain = Codec.load("M", device="cpu").trying("fast")
    assert [p for p, _ in chain(sender, frames[:2])] == [p for p, _ in chain(plain, frames[:2])]


def test_levels_of_the_decoder_network_are_chosen_by_the_true_source(
    weights: Path, frames: list[Frame]
) -> None:
    """With any encoder network, the decoder network lowers the picture's error."""
    from streamcodec.correction import Networks  # noqa: PLC0415
    from streamcodec.encoder import FrameEncoder  # noqa: PLC0415
    from streamcodec.metrics import psnr611  # noqa: PLC0415
    from streamcodec.weights import load, load_networks  # noqa: PLC0415

    model = load("M", weights)
    networks = load_networks(model, "cpu")
    alone = replace(networks, key=None)
    assert isinstance(alone, Networks)
    db = []
    for own in (alone, networks):
        encoder = FrameEncoder(model, frames[0], None, networks=own)
        db.append(psnr611(frames[0], encoder.reference_after(encoder.at(14)).frame))
    assert db[1] > db[0]


def test_damaged_encoder_networks_are_refused(weights: Path, tmp_path: Path) -> None:
    arrays = dict(safetensors.numpy.load(weights.read_bytes()))
    arrays["encoder.key.enter.weight"] = np.zeros((3, 3), np.float16)
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors.numpy.save(arrays))
    with pytest.raises(ModelError, match="another version"):
        Codec.load("M", device="cpu", weights=path)
