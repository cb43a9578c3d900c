# SPDX-License-Identifier: Apache-2.0
"""Colours of the page keep the contrast of WCAG 2.2, level AA, by day and by night.

4.5 to 1 for text (1.4.3), 3 to 1 for edges of buttons, the focus, and lines and areas of plots
(1.4.11). `tests/integration/test_page.py` measures the same in a browser, element by element.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = Path(__file__).resolve().parents[4] / "services" / "view" / "page" / "page.css"
TEXT, GRAPHIC = 4.5, 3.0
Colours = dict[str, str]


def themes() -> dict[str, Colours]:
    """The variables of both modes; those that the night does not name are the day's."""
    text = CSS.read_text(encoding="utf-8")
    light = re.search(r"^:root \{(.*?)^\}", text, re.M | re.S)
    dark = re.search(r'^:root\[data-theme="dark"\] \{(.*?)^\}', text, re.M | re.S)
    assert light
    assert dark
    of = [dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", part[1])) for part in (light, dark)]
    return {"light": of[0], "dark": of[0] | of[1]}


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # WebAIM's figure


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "card"])
@pytest.mark.parametrize("ink", ["ink", "quiet", "green", "orange", "red", "blue"])
def test_text_can_be_read(mode: str, ground: str, ink: str) -> None:
    colours = themes()[mode]
    assert contrast(colours[ink], colours[ground]) >= TEXT


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("ground", ["blue", "red"])
def test_the_text_of_a_pressed_button_can_be_read(mode: str, ground: str) -> None:
    colours = themes()[mode]
    assert contrast(colours["accent-ink"], colours[ground]) >= TEXT


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_edges_of_buttons_and_all_that_plots_draw_can_be_seen(mode: str) -> None:
    colours = themes()[mode]
    for ground in ("paper", "card"):
        assert contrast(colours["edge"], colours[ground]) >= GRAPHIC
    for leg in range(7):
        assert contrast(colours[f"leg{leg}"], colours["card"]) >= GRAPHIC, leg
