# SPDX-License-Identifier: Apache-2.0
"""The picture of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.emulator.plot import plot_run
from services.emulator.profile_file import load_profile
from services.emulator.simulate import SimulationOptions, simulate
from services.errors import ConfigError

pytest.importorskip("matplotlib", reason="plots are an extra: pip install streamcodec[bench]")


def test_a_run_becomes_a_picture_with_skips_and_without(tmp_path: Path) -> None:
    for name in ("thin", "dsl"):
        result = simulate(load_profile(name), SimulationOptions(seconds=3))
        path = tmp_path / f"{name}.png"
        frames = result.streams[0].frames
        plot_run(path, title=name, samples=result.samples, frames=frames)
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot write the plot"):
        plot_run(tmp_path / "absent" / "x.png", title="", samples=(), frames=())
