# SPDX-License-Identifier: Apache-2.0
"""Real processes over real sockets, for minutes: `pytest -m soak tests/soak`."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1500)]

CODEC = os.environ.get("STREAMCODEC_SOAK_CODEC", "fake")  # or S, for the real one
FLAT_SECONDS = int(os.environ.get("STREAMCODEC_SOAK_SECONDS", "600"))
SLOW_SECONDS = min(300, FLAT_SECONDS)
SOURCE = ("--source", "scene:640x360@30") if CODEC != "fake" else ("--source", "fake")
RESUME_US = 2_000_000


class End:
    """A child process that is one end of a stream."""

    def __init__(self, role: str, url: str, folder: Path, *options: str, name: str = "") -> None:
        self.name = name or role
        self.log = folder / f"{self.name}.log"
        self._lines = folder / f"{self.name}.json"
        self._command = [
            sys.executable,
            "-m",
            "tests.soak.ends",
            role,
            url,
            "--log",
            str(self.log),
            "--codec",
            CODEC,
            "--name",
            self.name,
            *(SOURCE if role == "sender" else ()),
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._lines.open("ab") as lines:
            self._process = subprocess.Popen(self._command, stdout=lines)

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def snapshots(self) -> list[dict[str, object]]:
        lines = self._lines.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def pictures(self) -> list[tuple[tuple[str, str], str, int]]:
        """(epoch and sequence, checksum, time in us) of each picture noted so far."""
        return [((epoch, sequence), crc, int(at)) for epoch, sequence, crc, at, _ in self._notes()]

    def p95_ms(self, from_s: float, to_s: float) -> float:
        """95th percentile of latency of pictures shown that long after the first."""
        notes = [(int(at_us), int(latency_us)) for *_, at_us, latency_us in self._notes()]
        begin_us = notes[0][0]
        chosen = sorted(latency for at, latency in notes if from_s <= (at - begin_us) / 1e6 < to_s)
        return chosen[int(0.95 * len(chosen))] / 1000

    def _notes(self) -> list[list[str]]:
        if not self.log.exists():
            return []
        return [line.split() for line in self.log.read_text(encoding="ascii").splitlines()]


@contextmanager
def running(*ends: End) -> Iterator[None]:
    try:
        for end in ends:
            end.start()
        yield
    finally:
        for end in ends:
            end.stop()


def free_url() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def wait_for_pictures(end: End, *, after_us: int, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        pictures = end.pictures()
        if pictures and pictures[-1][2] > after_us:
            return
        assert time.monotonic() < deadline, f"{end.name} shows nothing"
        time.sleep(0.05)


def wrong_pictures(sender: End, receiver: End) -> int:
    """Pictures shown that the sender never meant. The last ones may lack their note."""
    meant: dict[tuple[str, str], set[str]] = {}
    for frame, checksum, _ in sender.pictures():
        meant.setdefault(frame, set()).add(checksum)
    return sum(
        checksum not in meant[frame] for frame, checksum, _ in receiver.pictures() if frame in meant
    )


@pytest.mark.parametrize("victim", ["sender", "receiver"])
def test_twenty_kills_leave_the_other_end_running(victim: str, tmp_path: Path) -> None:
    url, rng = free_url(), random.Random(3)
    sender = End("sender", url, tmp_path)
    receiver = End("receiver", url, tmp_path)
    dying, other = (sender, receiver) if victim == "sender" else (receiver, sender)
    resumed_s = []
    with running(sender, receiver):
        wait_for_pictures(receiver, after_us=0)
        for _ in range(20):
            dying.kill()
            time.sleep(rng.uniform(0.0, 1.0))
            assert other.alive()
            reports = len(dying.snapshots())
            killed_us = time.monotonic_ns() // 1000
            dying.start()
            wait_for_pictures(receiver, after_us=killed_us)
            resumed_s.append(_resume_us(sender, receiver, dying, killed_us, reports) / 1e6)
            time.sleep(rng.uniform(0.2, 0.8))
        assert other.alive()
    print(f"resumed after s: {[round(value, 2) for value in sorted(resumed_s)]}")
    assert wrong_pictures(sender, receiver) == 0
    assert max(resumed_s) <= RESUME_US / 1e6


def _resume_us(sender: End, receiver: End, dying: End, killed_us: int, reports: int) -> int:
    """From both ends being up to the first picture. Up: its socket is open, a second before the
    first report of its statistics."""
    first_us = next(at for _, _, at in receiver.pictures() if at > killed_us)
    deadline = time.monotonic() + 20.0
    while len(dying.snapshots()) <= reports:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    uptime_s = dying.snapshots()[reports]["time_s"]
    assert isinstance(uptime_s, float)
    up_us = time.monotonic_ns() // 1000 - round(uptime_s * 1e6)
    del sender
    return max(0, first_us - up_us)


def test_a_long_run_neither_grows_nor_slows(tmp_path: Path) -> None:
    url = free_url()
    sender = End("sender", url, tmp_path, "--kbps", "800")
    receiver = End("receiver", url, tmp_path)
    with running(sender, receiver):
        time.sleep(FLAT_SECONDS + 5)
        assert sender.alive()
        assert receiver.alive()
    for end in (sender, receiver):
        sizes = [line["rss_kib"] for line in end.snapshots()]
        assert all(isinstance(size, int) for size in sizes)
        early, late = max(sizes[50:70] or sizes[:5]), max(sizes[-10:])  # type: ignore[type-var]
        print(f"{end.name}: {early} KiB after a minute, {late} KiB at the end")
        assert late <= 1.03 * early + 4096  # type: ignore[operator]
    part_s = FLAT_SECONDS / 10
    early_ms = receiver.p95_ms(part_s, 2 * part_s)
    late_ms = receiver.p95_ms(FLAT_SECONDS - part_s - 5, FLAT_SECONDS - 5)
    print(f"latency p95: {early_ms:.1f} ms in the second tenth, {late_ms:.1f} ms in the last")
    assert late_ms <= 1.1 * early_ms + 5  # a few ms are the machine's
    assert wrong_pictures(sender, receiver) == 0


def test_a_receiver_at_half_speed_keeps_flat_and_disturbs_nobody(tmp_path: Path) -> None:
    url = free_url()
    sender = End("sender", url, tmp_path, "--kbps", "800")
    fast = End("receiver", url, tmp_path, name="fast")
    slow = End("receiver", url, tmp_path, "--delay-s", "0.066", name="slow")
    with running(sender, fast, slow):
        time.sleep(SLOW_SECONDS)
    sent, quick, late = (end.snapshots()[-1] for end in (sender, fast, slow))
    latency = late["latency_ms"]
    assert isinstance(latency, dict)
    print(f"slow: {latency}; fast: {quick['latency_ms']}")
    print({end["role"]: end["fps"] for end in (sent, quick, late)})
    assert latency["p95"] < 250
    assert wrong_pictures(sender, slow) == wrong_pictures(sender, fast) == 0
    captured, shown = sent["framesCaptured"], quick["framesDisplayed"]
    assert isinstance(captured, int)
    assert isinstance(shown, int)
    # What was captured before the receivers were up does not count against them.
    assert shown >= 0.97 * (captured - 30 * 8)
