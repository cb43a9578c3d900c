# SPDX-License-Identifier: Apache-2.0
"""The comparison of executions finds nothing on good networks, and something on a wrong one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not there")

from benchmarks import exactness
from services.media.sinks import open_sink
from streamcodec.codec import Codec
from streamcodec.frame import Frame
from tests.fakes import noise_frame


def clip(path: Path, frames: int) -> Path:
    sink = open_sink(str(path), fps=25)
    for number in range(frames):
        base = noise_frame(shift=number)
        planes = [np.tile(plane, (2, 2)) for plane in base.planes]
        sink.write(Frame(*planes), shown_us=40_000 * number)
    sink.close()
    return path


def test_every_execution_gives_the_encoders_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = clip(tmp_path / "a.y4m", 4)
    assert exactness.main([str(path), "--frames", "4", "--quality", "8"]) == 0
    told = capsys.readouterr().out
    assert '"frames": 4' in told
    assert told.count('"samples_differing": 0}') >= 4


def test_a_picture_that_comes_out_otherwise_is_counted(tmp_path: Path) -> None:
    codec = Codec.load("M", device="cpu")
    coded = exactness.code(codec, [clip(tmp_path / "a.y4m", 2)], 20, 2)
    y, u, v = coded[1].picture.planes
    y = y.copy()
    y[3, 5] ^= 1
    changed = [coded[0], exactness.Coded(coded[1].packet, Frame(y, u, v))]
    assert exactness.differing(codec, coded) == 0
    assert exactness.differing(codec, changed) == 1
