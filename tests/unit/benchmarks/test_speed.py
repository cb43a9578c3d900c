# SPDX-License-Identifier: Apache-2.0
"""The speed benchmark with the fake codec: structure and checks, never absolute times."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from benchmarks.speed import main, table, time_ours
from benchmarks.stages import watching
from services.media.scene import Scene
from streamcodec.codec import Decoded
from streamcodec.frame import Frame, Reference
from tests.fakes import FakeCodec


def work() -> None:
    """A stage of a codec for these tests."""
    time.perf_counter()


def outer() -> None:
    work()


def test_report_has_ours_beside_x264_and_jpeg(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "speed.json"
    arguments = ["--resolutions", "64x48,96x64", "--frames", "8", "--json", str(out)]
    assert main(arguments, load=lambda size, _device: FakeCodec.load(size)) == 0
    report = json.loads(out.read_text())
    assert [run["resolution"] for run in report["runs"]] == ["64x48"] * 6 + ["96x64"] * 6
    codecs = [run["codec"].split()[0] for run in report["runs"][:6]]
    assert codecs == ["S", "S", "S", "x264", "x264", "JPEG"]
    for run in report["runs"]:
        assert set(run["encode_ms"]) == set(run["decode_ms"]) == {"p50", "p95", "p99"}
        assert run["bytes_per_frame"] > 0
        assert run["psnr611"] > 20
    assert {"processor", "cores", "versions", "command"} <= set(report["machine"])
    printed = capsys.readouterr().out
    assert "64x48" in printed
    assert "times x264 veryfast" in printed


def test_a_decoder_that_differs_ends_the_benchmark() -> None:
    class Drifting(FakeCodec):
        def decode(self, packet: bytes, reference: Reference | None = None) -> Decoded:
            frame, after = super().decode(packet, reference)
            return Decoded(Frame(frame.y, frame.v, frame.u), after)

    scene = Scene(64, 48)
    with pytest.raises(SystemExit, match="differs from the reference"):
        time_ours(Drifting(), [scene.frame(n) for n in range(3)], 30)


def test_stages_count_once_and_only_within_a_call() -> None:
    names = {"outer": [f"{__name__}.outer"], "work": [f"{__name__}.work"], "gone": ["no.such.f"]}
    with watching(names) as times:
        globals()["work"]()
        times.begin_call()
        globals()["outer"]()
        globals()["work"]()
        times.finish_call(1000.0)
    assert {stage: len(calls) for stage, calls in times.calls_ms.items()} == {
        "outer": 1,
        "work": 1,
        "other": 1,
    }
    assert sum(calls[0] for calls in times.calls_ms.values()) == pytest.approx(1000.0)
    assert not hasattr(work, "__wrapped__")


def test_a_table_names_every_run() -> None:
    scene = Scene(64, 48)
    run = time_ours(FakeCodec(), [scene.frame(n) for n in range(3)], 30)
    assert "S q30" in table([run])
