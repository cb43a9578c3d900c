# SPDX-License-Identifier: Apache-2.0
"""The report picture: drawn from anything, and showing what it was given."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.demo.canvas import PAPER, Box, Canvas, Line, nice_step, text_width
from services.demo.report import WIDTH, Pair, draw
from services.measure.history import Sample


def grey(width: int, height: int, value: int) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_both_pictures_are_in_the_report() -> None:
    pair = Pair(grey(640, 360, 17), grey(640, 360, 201), "Source", "Decoded")
    report = draw("a", "b", [("1", "one")], [Sample(0.0, 100, 20)], pair)
    assert report.shape[1] == WIDTH
    assert (report == 17).all(-1).sum() > 100_000
    assert (report == 201).all(-1).sum() > 100_000


def test_a_run_without_a_single_picture_still_gets_its_report() -> None:
    assert draw("a", "b", [], [], None).shape[1] == WIDTH


@settings(max_examples=20)
@given(
    st.lists(
        st.builds(
            Sample,
            seconds=st.floats(0, 1e5),
            kbps=st.floats(0, 1e9) | st.just(math.nan),
            latency_ms=st.floats(0, 1e6) | st.just(math.nan),
            psnr_db=st.floats(0, 100) | st.just(math.nan),
            capacity_kbps=st.floats(0, 1e9) | st.just(math.nan),
        ),
        max_size=5,
    )
)
def test_any_samples_can_be_drawn(samples: list[Sample]) -> None:
    draw("a", "b", [("1", "one")], samples, None)


def test_a_higher_value_lies_higher() -> None:
    canvas = Canvas(400, 200)
    line = Line("", [0, 1, 2], [0.0, 50.0, 100.0], (255, 0, 0))
    canvas.chart(Box(0, 0, 400, 200), "t", "u", [line])
    rows, columns = np.nonzero((canvas.pixels == (255, 0, 0)).all(-1))
    assert rows[columns.argmax()] < rows[columns.argmin()]


def test_text_ends_where_its_width_says() -> None:
    canvas = Canvas(400, 60)
    end = canvas.text("streamcodec", 10, 40, size=20)
    drawn = np.nonzero((canvas.pixels != PAPER).any(-1))[1]
    assert end == 10 + text_width("streamcodec", 20)
    assert drawn.min() >= 9
    assert drawn.max() <= end + 1


@pytest.mark.parametrize(("span", "step"), [(100, 50), (8, 2), (1.0, 0.5), (0, 1), (30, 10)])
def test_steps_are_round(span: float, step: float) -> None:
    assert nice_step(span, 4) == pytest.approx(step)
