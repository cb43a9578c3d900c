# SPDX-License-Identifier: Apache-2.0
"""Budgets of a file: the rate is kept, the keyframe gets more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.files.budget import FileBudget


def spend_all(budget: FileBudget, frames: int) -> list[int]:
    """Use every budget to the last byte."""
    spent = []
    for _ in range(frames):
        spent.append(budget.next_bytes())
        budget.spent(spent[-1])
    return spent


def test_the_keyframe_gets_several_times_the_mean() -> None:
    spent = spend_all(FileBudget(300, fps=30, frames=None), 2)
    assert spent[0] == 8 * 1250
    assert spent[1] < 1250


@pytest.mark.parametrize("frames", [30, 90, 300])
def test_a_file_of_known_length_keeps_its_rate(frames: int) -> None:
    spent = spend_all(FileBudget(300, fps=30, frames=frames), frames)
    assert sum(spent) <= 1.02 * 1250 * frames
    assert sum(spent) >= 0.9 * 1250 * frames


def test_a_file_of_unknown_length_comes_to_its_rate_within_seconds() -> None:
    spent = spend_all(FileBudget(300, fps=30, frames=None), 300)
    assert sum(spent) <= 1.01 * 1250 * 300


def test_saved_bytes_are_not_hoarded_for_a_burst() -> None:
    budget = FileBudget(300, fps=30, frames=None)
    for _ in range(1000):
        budget.next_bytes()
        budget.spent(10)
    assert budget.next_bytes() <= 2 * 1250


@given(
    kbps=st.floats(1, 1e6),
    fps=st.floats(1, 240),
    frames=st.none() | st.integers(1, 400),
    packets=st.lists(st.integers(14, 2_000_000), max_size=50),
)
def test_no_budget_is_below_the_floor_whatever_was_spent(
    kbps: float, fps: float, frames: int | None, packets: list[int]
) -> None:
    budget = FileBudget(kbps, fps=fps, frames=frames)
    for packet_bytes in packets:
        assert budget.next_bytes() >= 40
        budget.spent(packet_bytes)
