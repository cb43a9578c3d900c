# SPDX-License-Identifier: Apache-2.0
"""Metrics parse as Prometheus text, with base units and bounded labels."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.measure.latency import Latency
from services.measure.relay_stats import RelaySnapshot
from services.measure.stats import ReceiverSnapshot, SenderSnapshot
from services.protocol.board import Board
from services.protocol.profile import Profile
from services.protocol.upstream import Upstream
from services.receiver.counters import ReceiverCounters
from services.sender.counters import SenderCounters, SenderIdentity
from services.view.metrics import is_ready, render

PROMTOOL = shutil.which("promtool")


def snapshot(*, shown_us: int | None = None, now_us: int = 10_000_000) -> ReceiverSnapshot:
    upstream = Upstream(Profile(b"", b"", "", "r", 1, b""), connects=True, now_us=0)
    counters = ReceiverCounters(stream="main", started_us=0, events=upstream.events)
    if shown_us is not None:
        counters.displayed(Latency(1000, 2000, 0, 30_000, 0, 5000, 2000, 100), shown_us)
    return counters.snapshot(upstream, endpoint="tcp://x", recorder_drops=0, now_us=now_us)


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


def sending(
    *, captured_us: int | None = None, interval_us: int = 33_333, lost: str = ""
) -> SenderSnapshot:
    """A sender as it is ten seconds after its start."""
    counters = SenderCounters(SenderIdentity("door", 1, 0, interval_us))
    if captured_us is not None:
        counters.captured_one(captured_us)
    if lost:
        counters.source_failed(lost, 9_000_000)
    audience = Board([])
    return counters.snapshot(audience, endpoint="", width=64, height=48, now_us=10_000_000)


def test_a_sender_is_ready_while_its_source_gives_frames() -> None:
    assert is_ready(sending()) == (False, "no frame has come from the source yet")
    assert is_ready(sending(captured_us=9_900_000)) == (True, "1 frames captured")
    assert is_ready(sending(captured_us=6_000_000)) == (False, "no frame from the source for 4 s")
    gone = sending(captured_us=8_999_999, lost="camera:0: unplugged")
    assert is_ready(gone) == (False, "the source is gone: camera:0: unplugged")


def test_why_a_source_is_gone_tells_no_password() -> None:
    found = sending(captured_us=1, lost="rtsp://alice:hunter2@camera/door: refused")
    assert "camera/door" in is_ready(found)[1]
    assert "hunter2" not in is_ready(found)[1] + str(found.as_json())


def test_a_time_lapse_is_ready_between_two_of_its_frames() -> None:
    assert is_ready(sending(captured_us=1_000_000, interval_us=4_000_000))[0]
    assert not is_ready(sending(captured_us=1_000_000, interval_us=2_000_000))[0]


def test_losses_of_a_source_are_counted_once_each_and_told_when_over() -> None:
    counters = SenderCounters(SenderIdentity("door", 1, 0, 33_333))
    for now in (1, 2, 3):
        counters.source_failed("unplugged", now)
    counters.captured_one(4)
    counters.source_failed("unplugged", 5)
    found = counters.snapshot(Board([]), endpoint="", width=64, height=48, now_us=6)
    assert (found.source_restarts, found.source_attempts, found.source_lost) == (2, 4, "unplugged")
    assert [e.name for e in found.events] == ["source_lost", "source_back", "source_lost"]


def test_trouble_with_keys_is_a_metric_of_every_role() -> None:
    broken = "the folder cannot be read"
    relay = RelaySnapshot(0, 0, "", (), *[0] * 10, keys_trouble=broken)
    for found in (
        replace(sending(), keys_trouble=broken),
        replace(snapshot(), keys_trouble=broken),
        relay,
    ):
        text = render(lambda found=found: found).decode()  # type: ignore[misc]  # bound
        assert re.search(r"^streamcodec_keys_unreadable\{.*\} 1\.0$", text, re.M)
    assert re.search(r"^streamcodec_keys_unreadable\{.*\} 0\.0$", render(sending).decode(), re.M)


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool here")
@pytest.mark.parametrize("found", [sending(captured_us=9_000_000), snapshot(shown_us=9_000_000)])
def test_promtool_finds_nothing_to_complain_of(found: SenderSnapshot | ReceiverSnapshot) -> None:
    assert PROMTOOL is not None
    checked = subprocess.run(
        [PROMTOOL, "check", "metrics"],
        input=render(lambda: found),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_no_name_has_a_unit_that_is_no_base_unit() -> None:
    """What promtool would say, for where it is absent."""
    text = render(lambda: sending(captured_us=9_000_000)).decode()
    names = re.findall(r"^# TYPE (\S+)", text, re.M)
    assert "streamcodec_target_bytes_per_second" in names
    units = r"(bits?|milliseconds|microseconds|minutes|kilobytes|megabytes|percent)"
    assert not [name for name in names if re.search(rf"_{units}(_|$)", name)]
