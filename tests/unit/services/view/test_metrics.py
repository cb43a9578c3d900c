# SPDX-License-Identifier: Apache-2.0
"""Metrics parse as Prometheus text, with base units and bounded labels."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from services.latency import Latency
from services.protocol.intake import Intake, Profile
from services.receiver_counters import ReceiverCounters
from services.stats import ReceiverSnapshot
from services.view.metrics import is_ready, render


def snapshot(*, shown_us: int | None = None, now_us: int = 10_000_000) -> ReceiverSnapshot:
    counters = ReceiverCounters(stream="main", started_us=0)
    if shown_us is not None:
        counters.displayed(Latency(1000, 2000, 0, 30_000, 0, 5000, 2000, 100), shown_us)
    intake = Intake(Profile(b"", b"", "", "r", 1, b""), connects=True, now_us=0)
    return counters.snapshot(intake, endpoint="tcp://x", recorder_drops=0, now_us=now_us)


def test_what_is_served_parses_and_keeps_its_names() -> None:
    families = list(
        text_string_to_metric_families(render(lambda: snapshot(shown_us=9_000_000)).decode())
    )
    names = {family.name for family in families}
    assert {"streamcodec_capture_to_display_seconds", "streamcodec_freezes"} <= names
    assert all(re.fullmatch(r"streamcodec_[a-z_]+", name) for name in names)
    assert not any(name.endswith(("_ms", "_us", "_kbps")) for name in names)
    labels = {key for family in families for sample in family.samples for key in sample.labels}
    assert labels <= {"stream", "leg", "le", "version", "reason", "viewer"}


def test_the_histogram_counts_up_to_its_total() -> None:
    text = render(lambda: snapshot(shown_us=9_000_000)).decode()
    (family,) = [
        family
        for family in text_string_to_metric_families(text)
        if family.name == "streamcodec_capture_to_display_seconds"
    ]
    counts = [s.value for s in family.samples if s.name.endswith("_bucket")]
    assert counts == sorted(counts)
    assert counts[-1] == 1
    below = {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}
    assert (below["0.033"], below["0.05"]) == (0, 1)


def test_ready_means_that_frames_flow() -> None:
    assert not is_ready(snapshot())[0]
    assert is_ready(snapshot(shown_us=9_000_000))[0]
    assert is_ready(snapshot(shown_us=1_000_000)) == (False, "no frame for 9 s")
