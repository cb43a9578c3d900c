# SPDX-License-Identifier: Apache-2.0
"""Chains drawn from pictures and clips."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from streamcodec.training import data

_FRAMES = 40


def counting_clip(path: Path) -> None:
    """A lossless grey clip whose frame n has luma 4 n + 20."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25, width=64, height=48, pix_fmt="yuv420p")
        for number in range(_FRAMES):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane, value in zip(frame.planes, (4 * number + 20, 128, 128), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def numbers(path: Path, seed: int) -> list[int]:
    """Which frames of the counting clip a chain has."""
    chain = data.chain(path, frames=6, crop_px=32, rng=np.random.default_rng(seed))
    return [(int(frame.y[0, 0]) - 20) // 4 for frame in chain]


def test_chains_are_frames_in_a_row_from_all_over_a_clip(tmp_path: Path) -> None:
    clip = tmp_path / "counting.mkv"
    counting_clip(clip)
    chains = [numbers(clip, seed) for seed in range(40)]
    for chain in chains:
        steps = set(np.diff(chain).tolist())
        assert steps in ({1}, {-1})
        assert len(chain) == 6
    firsts = [min(chain) for chain in chains]
    assert min(firsts) < _FRAMES // 4
    assert max(firsts) + 5 > 3 * _FRAMES // 4
    assert max(max(chain) for chain in chains) < _FRAMES


def test_a_clip_shorter_than_a_chain_is_taken_whole(tmp_path: Path) -> None:
    clip = tmp_path / "counting.mkv"
    counting_clip(clip)
    chain = data.chain(clip, frames=64, crop_px=32, rng=np.random.default_rng(1))
    assert len(chain) == _FRAMES
    assert (chain[0].width, chain[0].height) == (32, 32)
