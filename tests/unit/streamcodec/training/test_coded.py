# SPDX-License-Identifier: Apache-2.0
"""Shards give back what was written, also while they grow, and after their writer was killed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from streamcodec.training.coded import Coded, Shard, Writer, shards
from tests.unit.streamcodec.training.conv import made


def same(a: Coded, b: Coded) -> bool:
    def arrays(c: Coded) -> list[np.ndarray]:
        return [
            *c.source,
            *c.decoded,
            *c.unfiltered,
            *(c.predicted or ()),
            c.counts,
            c.modes,
            c.splits,
            c.moves,
        ]

    left, right = arrays(a), arrays(b)
    return len(left) == len(right) and all(
        np.array_equal(x, y) for x, y in zip(left, right, strict=True)
    )


def test_frames_come_back_as_they_were(tmp_path: Path) -> None:
    written = [
        made.frame(key=n % 2 == 0, held_out=False, seed=n, rows=3 + n, columns=4) for n in range(4)
    ]
    writer = Writer(tmp_path, "a")
    for one in written:
        writer.add(one)
    writer.close()
    (shard,) = shards(tmp_path)
    assert len(shard.entries) == 4
    for entry, one in zip(shard.entries, written, strict=True):
        assert same(shard.frame(entry), one)
        assert entry == replace(one.entry, offset=entry.offset)


def test_a_line_cut_off_by_a_kill_is_not_a_frame(tmp_path: Path) -> None:
    made.shard(tmp_path, frames=2)
    index = tmp_path / "made-0.jsonl"
    whole = index.read_text(encoding="utf-8")
    index.write_text(whole[:-30], encoding="utf-8")
    shard = Shard(tmp_path, "made-0")
    assert len(shard.entries) == len(whole.splitlines()) - 1
    assert shard.frame(shard.entries[-1]).source[0].any()
