# SPDX-License-Identifier: Apache-2.0
"""The picture of feature maps shows what the codec really does."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from services.media.scene import Scene
from streamcodec.codec import Codec
from streamcodec.frame import Frame

torch = pytest.importorskip("torch", reason="size M needs torch")
feature_maps = pytest.importorskip("benchmarks.feature_maps")
load = pytest.importorskip("streamcodec.networks.conv.network").load

QUALITY = 20  # where the present network acts on this scene
WIDTH, HEIGHT = 152, 104  # no multiples of 16


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    scene = Scene(WIDTH, HEIGHT, seed=3)
    return [scene.frame(4 * number) for number in range(3)]


@pytest.fixture(scope="module")
def codec() -> Codec:
    torch.set_num_threads(1)
    return Codec.load("M", device="cpu")


@pytest.fixture(scope="module")
def look(codec: Codec, frames: list[Frame]) -> feature_maps.Look:
    weights = codec.model.decoder_networks[1]
    assert weights is not None
    network = load(weights, torch.device("cpu"))
    return feature_maps.look_at(codec, network, frames, QUALITY)


def test_the_corrected_picture_is_the_one_that_the_codec_shows(
    codec: Codec, frames: list[Frame], look: feature_maps.Look
) -> None:
    reference = None
    for frame in frames:
        reference = codec.encode(frame, reference, quality=QUALITY).reference
    assert reference is not None
    assert np.array_equal(look.corrected[0][:HEIGHT, :WIDTH], reference.frame.y)


def test_the_correction_drawn_is_what_was_added(look: feature_maps.Look) -> None:
    plain, corrected = (planes[0].astype(np.int32) for planes in (look.plain, look.corrected))
    expected = np.clip(plain + look.correction, 0, 255)
    assert look.levels.any()
    assert np.abs(corrected - expected).max() <= 0.5


def test_the_body_has_a_map_for_each_channel_at_an_eighth(look: feature_maps.Look) -> None:
    assert look.maps.shape == (64, 112 // 8, 160 // 8)
    assert look.maps.min() >= 0
    assert look.maps.max() <= 127


def test_maps_that_repeat_another_are_left_out() -> None:
    rng = np.random.default_rng(5)
    maps = rng.random((20, 6, 8)).astype(np.float32)
    maps[0] *= 10
    maps[1] = 0.9 * maps[0]
    found = feature_maps.chosen(maps, 8)
    assert found[0] == 0
    assert 1 not in found
    assert len(set(found)) == 8
    assert len(feature_maps.chosen(np.ones((9, 4, 4), np.float32), 8)) == 8


def test_the_picture_is_written(look: feature_maps.Look, tmp_path: Path) -> None:
    out = tmp_path / "maps.png"
    feature_maps.drawn(look, out)
    pixels = cv2.imread(str(out))
    assert pixels is not None
    assert pixels.shape[1] > 1000
    assert pixels.std() > 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--frame", "0"], "--frame is 1 or later"),
        (["--quality", "64"], "--quality 0 to 63"),
        (["--source", "absent.mp4"], "absent.mp4"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit):
        feature_maps.main([*arguments, "--out", str(tmp_path / "maps.png")])
    assert said in capsys.readouterr().err
