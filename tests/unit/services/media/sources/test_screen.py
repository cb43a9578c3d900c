# SPDX-License-Identifier: Apache-2.0
"""The screen, with a library that is pretended."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from services.errors import SourceError
from services.media.sources import open_source
from tests.unit.services.media.sources.clocks import ManualClock


class FakeScreen:
    """Stands for mss.mss(): one monitor of 160x90."""

    monitors = ({}, {"left": 0, "top": 0, "width": 160, "height": 90})

    def grab(self, area: dict[str, int]) -> SimpleNamespace:
        pixels = np.zeros((area["height"], area["width"], 4), np.uint8)
        pixels[..., 2] = 255  # BGRA: red
        return SimpleNamespace(width=160, height=90, raw=pixels.tobytes())

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(mss=FakeScreen, MSS=FakeScreen, ScreenShotError=RuntimeError)
    monkeypatch.setitem(sys.modules, "mss", module)
    monkeypatch.setenv("DISPLAY", ":0")


@pytest.mark.usefixtures("screen")
def test_the_screen_is_grabbed_at_its_pace_and_size() -> None:
    clock = ManualClock()
    source = open_source("screen:1:80x46@10", clock=clock)
    captured = [captured for _ in range(3) if (captured := source.read(1))]
    assert np.diff([c.captured_us for c in captured]).tolist() == [100_000] * 2
    assert (captured[0].frame.width, captured[0].frame.height) == (80, 46)
    assert captured[0].frame.v.mean() > 200
    source.close()


@pytest.mark.usefixtures("screen")
def test_a_monitor_that_is_not_there_is_told() -> None:
    with pytest.raises(SourceError, match="this machine has 1 monitor"):
        open_source("screen:3", clock=ManualClock())


def test_a_screen_without_a_display_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SourceError, match="no display"):
        open_source("screen:", clock=ManualClock())
