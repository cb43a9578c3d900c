# SPDX-License-Identifier: Apache-2.0
"""Daemons as people run them, for an hour, while everything around them fails:

    pytest -m soak -s tests/soak/test_daemons.py                                 # an hour
    STREAMCODEC_SOAK_SECONDS=600 pytest -m soak -s tests/soak/test_daemons.py    # ten minutes

    camera -> send -> link with outages -> relay -> recv --record, in files of limited length

One process after the other is killed and started again, the camera is unplugged, the link stands
still. Nothing else should run on the machine. See test_processes.py for the environment.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

import pytest

from services.commands.codecs import load_codec
from services.settings.config import CodecSettings
from streamcodec.container import ScvReader
from tests.soak.camera import NetworkCamera
from tests.soak.children import Child, clip, free_port, report, running, span_s

SECONDS = span_s(3600)
EVERY_S = max(10.0, min(60.0, SECONDS / 10))  # from one failure to the next
OUTAGE_S = 5
SETTLE_S = min(60.0, EVERY_S)
BACK_S = 30.0  # for a process to load and show, on a link that may stand still meanwhile
FIRST_S = 300.0

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3 * SECONDS + 1800)]


class Daemon(Child):
    """A `streamcodec` command that writes its statistics each second."""

    def __init__(self, name: str, *arguments: str, folder: Path, **environment: str) -> None:
        self.stats = folder / f"{name}.stats"
        command = [sys.executable, "-m", "services.cli", *arguments]
        if name != "link":
            command += ["--stats", str(self.stats)]
        super().__init__(name, command, folder, environment=environment)

    def size(self) -> int:
        """Bytes of statistics so far."""
        return self.stats.stat().st_size if self.stats.exists() else 0

    def snapshots(self, since: int = 0) -> list[dict[str, object]]:
        """What it counted from that byte on; a kill may have cut a line."""
        if not self.stats.exists():
            return []
        with self.stats.open("rb") as file:
            file.seek(since)
            return [json.loads(line) for line in file if line.endswith(b"}\n") and line[:1] == b"{"]


def wait_for_pictures(
    receiver: Daemon, others: list[Child], *, since: int, within_s: float
) -> float:
    """Seconds until the receiver has reported that pictures move, on lines from that byte on."""
    begin_s = time.monotonic()
    while True:
        shown = [line["framesDisplayed"] for line in receiver.snapshots(since)]
        if len(shown) >= 2 and shown[-1] > shown[-2]:  # type: ignore[operator]  # integers
            return time.monotonic() - begin_s
        for child in others:
            assert child.alive, f"{child.name} ended by itself: {child.errors[-800:]}"
            child.sample()
        assert time.monotonic() - begin_s < within_s, f"no picture: {receiver.errors[-800:]}"
        time.sleep(1.0)


def test_an_hour_of_failures_leaves_flat_daemons_and_recordings_that_play(tmp_path: Path) -> None:
    """Memory and descriptors of every life stay flat, and each recorded file decodes."""
    rng = random.Random(8)
    ports = [free_port() for _ in range(4)]
    camera_port, sender_port, link_port, relay_port = ports
    tapes = tmp_path / "tapes"
    tapes.mkdir()
    tape_minutes = max(0.05, SECONDS / 60 / 12)
    sender = Daemon(
        "sender",
        *("send", "--source", f"tcp://127.0.0.1:{camera_port}", "--kbps", "600"),
        *("--bind", f"tcp://127.0.0.1:{sender_port}"),
        folder=tmp_path,
    )
    link = Daemon(
        "link",
        *("link", "--listen", f"127.0.0.1:{link_port}", "--connect", f"127.0.0.1:{sender_port}"),
        *("--profile", str(_outages(tmp_path))),
        folder=tmp_path,
    )
    relay = Daemon(
        "relay",
        *("relay", "--connect", f"tcp://127.0.0.1:{link_port}"),
        *("--bind", f"tcp://127.0.0.1:{relay_port}"),
        folder=tmp_path,
    )
    receiver = Daemon(
        "receiver",
        *("recv", "--connect", f"tcp://127.0.0.1:{relay_port}", "--stay", "--view", "none"),
        *("--record", str(tapes / "door.scv")),
        folder=tmp_path,
        STREAMCODEC_RECEIVER__RECORD_MINUTES=f"{tape_minutes:.3f}",
    )
    daemons: list[Child] = [sender, link, relay, receiver]
    back_s: dict[str, list[float]] = {}
    with NetworkCamera(clip(tmp_path), port=camera_port) as camera, running(*daemons):
        wait_for_pictures(receiver, daemons, since=0, within_s=FIRST_S)
        begin_s = time.monotonic()
        failures: list[str] = []
        while time.monotonic() - begin_s < SECONDS - EVERY_S / 2:
            failures = failures or rng.sample(["sender", "relay", "receiver", "camera"], 4)
            failing = failures.pop()
            if failing == "camera":
                camera.unplug()
                _watch(daemons, rng.uniform(2.0, 6.0))
                camera.plug()
            else:
                victim = next(child for child in daemons if child.name == failing)
                victim.kill()
                time.sleep(rng.uniform(0.0, 2.0))
                victim.start()
            since = receiver.size()
            took_s = wait_for_pictures(receiver, daemons, since=since, within_s=BACK_S)
            back_s.setdefault(failing, []).append(round(took_s, 1))
            _watch(daemons, max(0.0, EVERY_S - took_s))
        last = receiver.snapshots(max(0, receiver.size() - 100_000))[-1]
        codes = {child.name: child.stop(grace_s=20.0) for child in reversed(daemons)}
    files = {path.name: _play(path) for path in sorted(tapes.iterdir())}
    grown = {child.name: child.growths(SETTLE_S) for child in daemons}
    report(
        "daemons",
        {
            "seconds": SECONDS,
            "lives": {child.name: len(child.lives) for child in daemons},
            "back_within_s": back_s,
            "memory": {name: [one.figures() for one in lives] for name, lives in grown.items()},
            "files": len(files),
            "frames_recorded": sum(files.values()),
            "recorder_drops_of_last_life": last["recorderDrops"],
            "exit_codes": codes,
        },
    )
    assert set(codes.values()) == {0}
    assert len(files) >= 3
    assert min(files.values()) > 0
    assert grown["link"]
    for name, lives in grown.items():
        assert all(one.flat for one in lives), f"{name} grows: {[one.figures() for one in lives]}"


def _outages(folder: Path) -> Path:
    """A profile whose link stands still for five seconds, again and again to the end."""
    every_s = round(2.5 * EVERY_S)
    times = range(every_s, 2 * SECONDS + 600, every_s)
    outages = ", ".join(f'{{ at_s = {at}, for_s = {OUTAGE_S}, kind = "hold" }}' for at in times)
    path = folder / "outages.toml"
    path.write_text(
        '[link]\nname = "outages"\n[up]\nrate = "4 Mbit/s"\ndelay_ms = 20\n'
        f"queue = {{ bytes = 60_000 }}\noutages = [{outages}]\n",
        encoding="utf-8",
    )
    return path


def _watch(daemons: list[Child], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left_s := deadline - time.monotonic()) > 0:
        time.sleep(min(1.0, left_s))
        for child in daemons:
            assert child.alive, f"{child.name} ended by itself: {child.errors[-800:]}"
            child.sample()


def _play(path: Path) -> int:
    """Decode a recording from its first frame to its last; how many there are."""
    codec, reference, frames = load_codec(CodecSettings()), None, 0
    with ScvReader(path) as reader:
        for record in reader.records():
            reference = codec.decode(record.packet, reference).reference
            frames += 1
    return frames
