# SPDX-License-Identifier: Apache-2.0
"""The byte budget: never exceeded, met by the highest quality that fits, and filled."""

from __future__ import annotations

import pytest

from streamcodec import Codec, Frame
from streamcodec.encoder import MOST_ATTEMPTS, highest_that_fits
from streamcodec.frame import Reference
from streamcodec.metrics import psnr_plane


def sizes(codec: Codec, frame: Frame, reference: Reference | None) -> list[int]:
    """Bytes of the packet at each of the 64 qualities."""
    found = []
    for quality in range(64):
        packet = codec.encode(frame, reference, quality=quality).packet
        assert packet is not None
        found.append(len(packet))
    return found


@pytest.mark.parametrize("kind", ["keyframe", "inter frame"])
def test_a_budget_is_met_by_the_highest_quality_that_fits(
    codec: Codec, frames: list[Frame], kind: str
) -> None:
    reference = None
    if kind == "inter frame":
        reference = codec.encode(frames[0], quality=30).reference
    frame = frames[1]
    all_sizes = sizes(codec, frame, reference)
    budgets = sorted({all_sizes[q] + d for q in (0, 5, 21, 30, 44, 63) for d in (-1, 0, 3)})
    for budget in budgets:
        fitting = [q for q, size in enumerate(all_sizes) if size <= budget]
        result = codec.encode(frame, reference, budget_bytes=budget)
        if not fitting:
            assert (result.packet, result.reference, result.quality) == (None, None, -1)
            continue
        assert result.quality == max(fitting)
        assert result.packet is not None
        assert len(result.packet) <= budget
        assert len(result.packet) >= all_sizes[result.quality]


def test_what_a_quality_leaves_of_a_budget_is_filled_by_finer_symbols(
    codec: Codec, frames: list[Frame]
) -> None:
    reference = codec.encode(frames[0], quality=30).reference
    used, gained_db = [], []
    for budget in range(500, 4000, 250):
        result = codec.encode(frames[1], reference, budget_bytes=budget)
        plain = codec.encode(frames[1], reference, quality=result.quality)
        assert result.packet is not None
        assert result.reference is not None
        assert plain.reference is not None
        assert codec.decode(result.packet, reference).frame.same_pixels(result.reference.frame)
        used.append(len(result.packet) / budget)
        gained_db.append(
            psnr_plane(frames[1].y, result.reference.frame.y)
            - psnr_plane(frames[1].y, plain.reference.frame.y)
        )
    assert max(used) <= 1
    assert sorted(used)[len(used) // 2] >= 0.95
    assert min(gained_db) > -0.02


@pytest.mark.parametrize("budget_bytes", [0, 1, 14])
def test_a_budget_too_small_for_any_quality_makes_no_packet(
    codec: Codec, frames: list[Frame], budget_bytes: int
) -> None:
    result = codec.encode(frames[0], budget_bytes=budget_bytes)
    assert (result.packet, result.reference, result.quality) == (None, None, -1)
    assert result.keyframe


class _Sized:
    def __init__(self, quality: int, size_bytes: int) -> None:
        self.quality = quality
        self.size_bytes = size_bytes


@pytest.mark.parametrize("start", range(64))
def test_the_search_finds_every_answer_within_its_bound_of_attempts(start: int) -> None:
    for answer in range(-1, 64):
        asked: list[int] = []

        def attempt_at(quality: int, asked: list[int] = asked) -> _Sized:
            asked.append(quality)
            return _Sized(quality, 100 + quality)

        found = highest_that_fits(attempt_at, 100 + answer, start)  # type: ignore[arg-type]  # a stand-in
        assert (-1 if found is None else found.quality) == answer
        assert len(set(asked)) <= MOST_ATTEMPTS


def test_the_least_effort_takes_what_uses_most_of_a_budget_within_few_attempts() -> None:
    growth = 1.08
    for start in range(0, 64, 7):
        for answer in range(4, 60):
            asked: list[int] = []

            def attempt_at(quality: int, asked: list[int] = asked) -> _Sized:
                asked.append(quality)
                return _Sized(quality, round(500 * growth**quality))

            budget = round(500 * growth**answer)
            found = highest_that_fits(
                attempt_at,  # type: ignore[arg-type]  # a stand-in
                budget,
                start,
                enough=0.85,
                attempts=4,
            )
            assert found is not None
            assert found.size_bytes <= budget
            tried = len(set(asked))
            assert tried <= 4 or sum(500 * growth**q <= budget for q in set(asked)) == 1
            if abs(start - answer) <= 4:
                assert found.size_bytes >= 0.85 * budget
                assert tried <= 2
