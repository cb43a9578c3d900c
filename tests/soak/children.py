# SPDX-License-Identifier: Apache-2.0
"""Child processes of a soak test: killed, started again, and measured once a second."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.media.scene import Scene
from services.media.sinks.video import VideoSink

_CLIP = "talking_head_room.mkv"  # 640x360 at 30 frames a second, as the live figures in docs/
_CLIP_FRAMES = 150
_LATE_S = 10.0  # the end of a life, over which its largest size counts
_SLACK_KIB = 4096  # what an allocator may keep beside what grows with the size of the process


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process holds, that long after its start."""

    age_s: float
    resident_kib: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class Growth:
    """A life: once settled, and at its end."""

    seconds: float
    early: Usage
    late: Usage

    @property
    def flat(self) -> bool:
        """Whether memory and descriptors stayed where they were."""
        limit_kib = 1.03 * self.early.resident_kib + _SLACK_KIB
        return (
            self.late.resident_kib <= limit_kib and self.late.descriptors <= self.early.descriptors
        )

    def figures(self) -> dict[str, object]:
        """For the report."""
        return {
            "seconds": round(self.seconds),
            "mib": [round(use.resident_kib / 1024, 1) for use in (self.early, self.late)],
            "descriptors": [self.early.descriptors, self.late.descriptors],
        }


class Child:
    """A command that may be killed and started again; `sample` notes what it uses.

    Each is a session of its own, to which Linux gives a share of the processor of its own: what
    runs beside it, an attacker, cannot starve it by having more threads.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.lives: list[list[Usage]] = []
        self.out = folder / f"{name}.json"
        self._errors = folder / f"{name}.errors"
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0

    def start(self) -> None:
        """Start, or start again; output goes on in the same files."""
        with self.out.open("ab") as out, self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                self.command,
                stdout=out,
                stderr=errors,
                env=self._environment,
                start_new_session=True,
            )
        self._started_s = time.monotonic()
        self.lives.append([])

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self, *, grace_s: float = 0.0) -> int | None:
        """End it: with SIGTERM if there is grace, else at once. Returns its exit code."""
        if self._process is None:
            return None
        if self._process.poll() is None and grace_s:
            self._process.terminate()
            try:
                return self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                pass
        if self._process.poll() is None:
            self.kill()
        return self._process.returncode

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def errors(self) -> str:
        """What it wrote to standard error in all its lives."""
        return self._errors.read_text(encoding="utf-8", errors="replace")

    def sample(self) -> None:
        """Note memory and descriptors of the running process."""
        if self._process is None or not self.alive:
            return
        folder = Path(f"/proc/{self._process.pid}")
        try:
            status = (folder / "status").read_text(encoding="ascii")
            descriptors = len(os.listdir(folder / "fd"))
        except OSError:
            return  # it died in between
        resident = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
        if resident:
            age_s = time.monotonic() - self._started_s
            self.lives[-1].append(Usage(age_s, int(resident[0]), descriptors))

    def growths(self, settle_s: float) -> list[Growth]:
        """Of each life that was watched for twice as long as it takes to settle.

        Memory is compared with that of the settling; descriptors with those of the first half,
        since peers come and go.
        """
        found = []
        for life in self.lives:
            if not life or life[-1].age_s - life[0].age_s < 2 * settle_s + _LATE_S:
                continue
            begin_s, end_s = life[0].age_s, life[-1].age_s
            settling = [u for u in life if settle_s / 2 <= u.age_s - begin_s <= settle_s]
            half = [u for u in life if u.age_s <= (begin_s + end_s) / 2]
            ending = [u for u in life if u.age_s > end_s - _LATE_S]
            early = Usage(
                settling[-1].age_s,
                max(use.resident_kib for use in settling),
                max(use.descriptors for use in half),
            )
            # The median: a reconnect holds two sockets for a moment.
            late = Usage(
                end_s,
                max(use.resident_kib for use in ending),
                sorted(use.descriptors for use in ending)[len(ending) // 2],
            )
            found.append(Growth(end_s, early, late))
        return found


@contextmanager
def running(*children: Child) -> Iterator[None]:
    """Start them, and leave none behind."""
    try:
        for child in children:
            child.start()
        yield
    finally:
        for child in children:
            child.stop()


def watch(children: Sequence[Child], seconds: float) -> None:
    """Let time pass; sample every second. Fails as soon as one of them has ended."""
    deadline = time.monotonic() + seconds
    while (left_s := deadline - time.monotonic()) > 0:
        time.sleep(min(1.0, left_s))
        for child in children:
            assert child.alive, f"{child.name} ended by itself: {child.errors[-500:]}"
            child.sample()


def report(name: str, figures: Mapping[str, object]) -> None:
    """One line of JSON on standard output, and in the file STREAMCODEC_SOAK_REPORT if it is set."""
    line = json.dumps({"soak": name, **figures})
    print(f"\n{line}")
    if path := os.environ.get("STREAMCODEC_SOAK_REPORT"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def span_s(default: int) -> int:
    """Length of a run: STREAMCODEC_SOAK_SECONDS, or the test's own."""
    return int(os.environ.get("STREAMCODEC_SOAK_SECONDS", default))


def clip(folder: Path) -> Path:
    """A camera clip of the evaluation set (STREAMCODEC_DATA), or one made of the built-in scene."""
    beside = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
    path = Path(os.environ.get("STREAMCODEC_DATA", beside)) / "eval" / "video" / _CLIP
    if path.exists():
        return path
    made = folder / "scene.mp4"
    scene, sink = Scene(640, 360, fps=30), VideoSink(made, fps=30)
    for number in range(_CLIP_FRAMES):
        sink.write(scene.frame(number), shown_us=round(number * 1e6 / 30))
    sink.close()
    return made


def free_port() -> int:
    """A port of the loopback address that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
