# SPDX-License-Identifier: Apache-2.0
"""What a demo ends with, from the last word of both ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.demo.messages import KeptFrame
from services.demo.outcome import best_pair, figures, lines, save_report
from services.demo.supervisor import Run
from services.errors import SinkError
from services.settings.config import Settings
from streamcodec.frame import Frame
from tests.unit.services.demo import snapshots


def kept(sequence: int, value: int = 90) -> KeptFrame:
    return KeptFrame(sequence, Frame.grey(np.full((48, 64), value, np.uint8)), 100, False)


def finished_run() -> Run:
    return Run(
        sender=snapshots.sender(),
        receiver=snapshots.receiver(20, 30, 40),
        psnr_db=[36.0, 38.0],
        seconds=2.0,
        size="S",
        device="cpu",
        sent=(kept(10), kept(20), kept(30)),
        shown=(kept(20, 91), kept(40)),
    )


def test_an_end_that_never_reported_gives_no_figures() -> None:
    assert figures(Run(sender=snapshots.sender()), Settings(), link=None) is None


def test_quality_is_the_mean_over_the_run() -> None:
    found = figures(finished_run(), Settings(), link="lte")
    assert found is not None
    assert found["psnr_db"] == 37.0
    assert (found["size"], found["device"], found["link"]) == ("S", "cpu", "lte")


def test_the_lines_name_every_leg() -> None:
    found = figures(finished_run(), Settings(), link=None)
    assert found is not None
    text = "\n".join(lines(found))
    for part in ("3 of 30 frames", "0 freezes", "PSNR 37.0 dB", "network", "display"):
        assert part in text


def test_the_pair_is_the_last_frame_that_both_ends_have() -> None:
    pair = best_pair(finished_run())
    assert pair is not None
    assert pair.source.mean() < pair.decoded.mean()
    assert "100 bytes" in pair.decoded_text
    assert best_pair(Run(sent=(kept(10),))) is None


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    found = figures(finished_run(), Settings(), link=None)
    assert found is not None
    with pytest.raises(SinkError, match="cannot be written"):
        save_report(finished_run(), found, tmp_path / "absent" / "demo.png")
