# SPDX-License-Identifier: Apache-2.0
"""The real codec in real processes over real sockets, for minutes. Each test alone:

    pytest -m soak -s tests/soak/test_processes.py -k long_run      # 10 minutes
    pytest -m soak -s tests/soak/test_processes.py -k kills         # 20 of each end, 8 minutes
    pytest -m soak -s tests/soak/test_processes.py -k half_speed    # 5 minutes

Nothing else should run beside them: on a busy machine latency is the machine's. Each prints its
figures as one line of JSON. Environment: STREAMCODEC_SOAK_SECONDS (length of a run, 30 or more)
and STREAMCODEC_SOAK_KILLS shorten them, STREAMCODEC_SOAK_CODEC=fake replaces the codec,
STREAMCODEC_DATA is where the evaluation clips are (else the built-in scene is the source),
STREAMCODEC_SOAK_REPORT is a file that collects the figures.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.soak.children import Child, clip, free_port, report, running, span_s, watch

CODEC = os.environ.get("STREAMCODEC_SOAK_CODEC", "S")
FLAT_SECONDS = span_s(600)
SLOW_SECONDS = span_s(300)
KILLS = int(os.environ.get("STREAMCODEC_SOAK_KILLS", "20"))
RESUME_S = 2.0
FIRST_S = 300.0  # for both ends to load, and the first time to compile

pytestmark = [pytest.mark.soak, pytest.mark.timeout(2 * max(FLAT_SECONDS, SLOW_SECONDS) + 1800)]


@dataclass(frozen=True, slots=True)
class Picture:
    """A line of an end's log. `frame` is epoch and sequence."""

    frame: tuple[str, str]
    checksum: str
    at_us: int
    latency_us: int


class End(Child):
    """A child process that is one end of a stream."""

    def __init__(self, role: str, url: str, folder: Path, *options: str, name: str = "") -> None:
        name = name or role
        self.log = folder / f"{name}.log"
        command = [
            *(sys.executable, "-m", "tests.soak.ends", role, url),
            *("--log", str(self.log), "--codec", CODEC, "--name", name, *options),
        ]
        super().__init__(name, command, folder)

    def lines(self) -> list[dict[str, object]]:
        """What it printed in all its lives; a kill may have cut a line."""
        text = self.out.read_text(encoding="utf-8") if self.out.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def ups_us(self) -> list[int]:
        """When its socket was open, in each life."""
        return [int(str(line["up_us"])) for line in self.lines() if "up_us" in line]

    def snapshots(self) -> list[dict[str, object]]:
        """Its statistics, once a second."""
        return [line for line in self.lines() if "up_us" not in line]

    def pictures(self) -> list[Picture]:
        """Each picture noted so far."""
        if not self.log.exists():
            return []
        notes = [line.split() for line in self.log.read_text(encoding="ascii").splitlines()]
        return [
            Picture((note[0], note[1]), note[2], int(note[3]), int(note[4]))
            for note in notes
            if len(note) == 5
        ]


def make_sender(url: str, folder: Path) -> End:
    if CODEC == "fake":
        return End("sender", url, folder, *("--source", "fake", "--width", "160", "--height", "96"))
    return End("sender", url, folder, "--source", str(clip(folder)))


def free_url() -> str:
    return f"tcp://127.0.0.1:{free_port()}"


def wait_for_picture(end: End, *, after_us: int = 0, seconds: float = FIRST_S) -> int:
    """When the first picture after that time was shown."""
    deadline = time.monotonic() + seconds
    while True:
        for picture in end.pictures():
            if picture.at_us > after_us:
                return picture.at_us
        assert time.monotonic() < deadline, f"{end.name} shows nothing: {end.errors[-500:]}"
        time.sleep(0.05)


def wrong_pictures(sender: End, *receivers: End) -> int:
    """Pictures shown that the sender's own reference never was. The last may lack their note."""
    meant: dict[tuple[str, str], set[str]] = {}
    for picture in sender.pictures():
        meant.setdefault(picture.frame, set()).add(picture.checksum)
    return sum(
        picture.checksum not in meant[picture.frame]
        for receiver in receivers
        for picture in receiver.pictures()
        if picture.frame in meant
    )


def p95_ms(pictures: list[Picture], from_us: int, to_us: int) -> float:
    """95th percentile of the latency of pictures shown in that span."""
    chosen = sorted(p.latency_us for p in pictures if from_us <= p.at_us < to_us)
    assert chosen, "no picture in that span"
    return round(chosen[int(0.95 * len(chosen))] / 1000, 1)


def counted(snapshot: dict[str, object], name: str) -> int:
    value = snapshot[name]
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize("victim", ["sender", "receiver"])
def test_twenty_kills_leave_the_other_end_running(victim: str, tmp_path: Path) -> None:
    """The picture is back within two seconds of both ends being up, and never a wrong one."""
    url, rng = free_url(), random.Random(3)
    sender, receiver = make_sender(url, tmp_path), End("receiver", url, tmp_path)
    dying, other = (sender, receiver) if victim == "sender" else (receiver, sender)
    resumed_s: list[float] = []
    with running(sender, receiver):
        wait_for_picture(receiver)
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.3, 2.0))
            dying.kill()
            time.sleep(rng.uniform(0.0, 1.0))
            killed_us = time.monotonic_ns() // 1000  # what was under way is shown by now
            ups = len(dying.ups_us())
            dying.start()
            shown_us = wait_for_picture(receiver, after_us=killed_us)
            while len(dying.ups_us()) <= ups:
                time.sleep(0.01)
            resumed_s.append(max(0.0, (shown_us - dying.ups_us()[ups]) / 1e6))
            assert other.alive, other.errors[-500:]
        lives = len(other.lives)
    shown, wrong = len(receiver.pictures()), wrong_pictures(sender, receiver)
    report(
        f"kills of the {victim}",
        {
            "kills": KILLS,
            "codec": CODEC,
            "resumed_s": sorted(round(value, 2) for value in resumed_s),
            "pictures": shown,
            "wrong": wrong,
        },
    )
    assert lives == 1
    assert wrong == 0
    assert max(resumed_s) <= RESUME_S


def test_a_long_run_neither_grows_nor_slows(tmp_path: Path) -> None:
    """Memory is flat after the first minute; the last minute is as quick as the second.

    A run of less than three minutes has no two such minutes: its tenths are reported only.
    """
    url = free_url()
    sender, receiver = make_sender(url, tmp_path), End("receiver", url, tmp_path)
    with running(sender, receiver):
        begin_us = wait_for_picture(receiver)
        watch((sender, receiver), FLAT_SECONDS)
        end_us = time.monotonic_ns() // 1000
    whole = FLAT_SECONDS >= 180
    span_us = 60_000_000 if whole else FLAT_SECONDS * 100_000
    pictures = receiver.pictures()
    early_ms = p95_ms(pictures, begin_us + span_us, begin_us + 2 * span_us)
    late_ms = p95_ms(pictures, end_us - span_us, end_us)
    settle_s = min(60.0, FLAT_SECONDS / 4)
    grown = {end.name: end.growths(settle_s) for end in (sender, receiver)}
    wrong = wrong_pictures(sender, receiver)
    sent, got = sender.snapshots()[-1], receiver.snapshots()[-1]
    report(
        "long run",
        {
            "seconds": FLAT_SECONDS,
            "codec": CODEC,
            "p95_ms": [early_ms, late_ms],
            "captured": counted(sent, "framesCaptured") - counted(sent, "framesIdle"),
            "displayed": counted(got, "framesDisplayed"),
            "memory": {name: [one.figures() for one in lives] for name, lives in grown.items()},
            "wrong": wrong,
        },
    )
    assert wrong == 0
    for lives in grown.values():
        assert [one.flat for one in lives] == [True]
    if whole:
        assert late_ms <= 1.1 * early_ms


def test_a_receiver_at_half_speed_keeps_flat_and_disturbs_nobody(tmp_path: Path) -> None:
    """Its latency stays under 250 ms and does not grow; a fast one beside it loses nothing.

    The fast one is alone first: what it shows then is what the machine lets it have.
    """
    url = free_url()
    sender = make_sender(url, tmp_path)
    fast = End("receiver", url, tmp_path, name="fast")
    slow = End("receiver", url, tmp_path, "--delay-s", "0.0667", name="slow")
    ends = (sender, fast, slow)
    with running(sender, fast):
        wait_for_picture(fast)
        watch((sender, fast), 3.0)  # the first seconds are no measure
        alone = _share_shown(sender, fast, max(10.0, SLOW_SECONDS / 10))
        with running(slow):
            wait_for_picture(slow)
            watch(ends, 3.0)  # for the sender to learn how slow it is
            begun = [end.snapshots()[-1] for end in ends]
            begin_us = time.monotonic_ns() // 1000
            watch(ends, SLOW_SECONDS)
            last = [end.snapshots()[-1] for end in ends]
            end_us = time.monotonic_ns() // 1000
    fifth_us = (end_us - begin_us) // 5
    slow_ms = [
        p95_ms(slow.pictures(), begin_us + n * fifth_us, begin_us + (n + 1) * fifth_us)
        for n in range(5)
    ]
    captured = _rate(begun[0], last[0], "framesCaptured")
    shown = {
        end.name: _rate(begun[n], last[n], "framesDisplayed") for n, end in enumerate(ends) if n
    }
    beside = shown["fast"] / captured
    wrong = wrong_pictures(sender, fast, slow)
    report(
        "receiver at half speed",
        {
            "seconds": SLOW_SECONDS,
            "codec": CODEC,
            "slow_p95_ms": slow_ms,
            "fast_p95_ms": p95_ms(fast.pictures(), begin_us, end_us),
            "captured_fps": round(captured, 2),
            "encoded_fps": round(_rate(begun[0], last[0], "framesEncoded"), 2),
            "shown_fps": {name: round(fps, 2) for name, fps in shown.items()},
            "fast_share": {"alone": round(alone, 4), "beside": round(beside, 4)},
            "skipped_by": last[0]["framesSkippedBy"],
            "wrong": wrong,
        },
    )
    assert wrong == 0
    assert max(slow_ms) < 1000
    assert slow_ms[-1] <= 1.1 * max(slow_ms[:-1])
    assert shown["slow"] <= 0.6 * captured
    assert beside >= min(0.97, alone - 0.01)


def _share_shown(sender: End, receiver: End, seconds: float) -> float:
    """Shown of captured, over a span from now on."""
    ends = (sender, receiver)
    before = [end.snapshots()[-1] for end in ends]
    watch(ends, seconds)
    after = [end.snapshots()[-1] for end in ends]
    shown = _rate(before[1], after[1], "framesDisplayed")
    return shown / _rate(before[0], after[0], "framesCaptured")


def _rate(before: dict[str, object], after: dict[str, object], name: str) -> float:
    """Frames a second between two snapshots of one end."""
    span_s = (counted(after, "at_us") - counted(before, "at_us")) / 1e6
    return (counted(after, name) - counted(before, name)) / span_s
