# SPDX-License-Identifier: Apache-2.0
"""Both windows of a long chain show the same source frames."""

from __future__ import annotations

import pytest

from benchmarks.chain import chain_length, drift, source_index
from benchmarks.material import Clip
from services.media.scene import Scene
from streamcodec import Codec


@pytest.mark.parametrize("clip_frames", [1, 2, 30, 70, 96])
def test_the_last_window_repeats_the_first_one(clip_frames: int) -> None:
    length = chain_length(clip_frames, 300)
    assert length >= 300
    for k in range(30):
        assert source_index(30 + k, clip_frames) == source_index(length - 30 + k, clip_frames)


def test_playing_forth_and_back_repeats_no_end() -> None:
    assert [source_index(n, 4) for n in range(8)] == [0, 1, 2, 3, 2, 1, 0, 1]


def test_a_short_chain_is_measured() -> None:
    scene = Scene(48, 32, seed=2)
    clip = Clip("small", "camera", 30.0, tuple(scene.frame(n) for n in range(3)), "")
    row = drift(Codec.load(), clip, 24, 60)
    assert row["frames"] == 60
    assert row["early_db"] > 20
    assert row["change_db"] == pytest.approx(row["late_db"] - row["early_db"], abs=0.002)
