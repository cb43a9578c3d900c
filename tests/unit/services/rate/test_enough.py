# SPDX-License-Identifier: Apache-2.0
"""The finest quality follows the PSNR that frames have, whatever the material."""

from __future__ import annotations

import pytest

from services.rate.enough import ENOUGH_DB, LEAST_QUALITY, MOST_QUALITY, EnoughQuality


def after(count: int, *, at_40_db: float, db_per_quality: float) -> EnoughQuality:
    """`count` frames of a material, each of the quality that the ones before allow."""
    enough = EnoughQuality()
    for _ in range(count):
        psnr_db = 40 + db_per_quality * (enough.finest - at_40_db)
        enough.measured(quality=enough.finest, psnr_db=psnr_db)
    return enough


def test_before_anything_is_measured_the_most_is_allowed() -> None:
    assert EnoughQuality().finest == MOST_QUALITY


@pytest.mark.parametrize("at_40_db", [33.0, 36.5, 40.0])
@pytest.mark.parametrize("db_per_quality", [0.35, 0.5, 0.65])
def test_a_picture_settles_within_a_decibel_of_enough(
    at_40_db: float, db_per_quality: float
) -> None:
    enough = after(30, at_40_db=at_40_db, db_per_quality=db_per_quality)
    psnr_db = 40 + db_per_quality * (enough.finest - at_40_db)
    assert abs(psnr_db - ENOUGH_DB) <= 1
    again = after(31, at_40_db=at_40_db, db_per_quality=db_per_quality)
    assert abs(again.finest - enough.finest) <= 1


def test_what_the_link_holds_down_does_not_lower_the_cap() -> None:
    enough = EnoughQuality()
    for _ in range(30):
        enough.measured(quality=10, psnr_db=28.0)
    assert enough.finest == 35


def test_the_cap_stays_in_its_bounds() -> None:
    assert after(60, at_40_db=10, db_per_quality=0.5).finest == LEAST_QUALITY
    assert after(60, at_40_db=60, db_per_quality=0.5).finest == MOST_QUALITY
