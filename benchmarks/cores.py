# SPDX-License-Identifier: Apache-2.0
"""Time of a frame on 1, 2, 4, 8 and 16 cores, computed from times on one core.

    python -m benchmarks.cores [--resolutions 1280x720] [--effort normal] [--frames 24]

Every job that a pool may run in parallel is timed on one thread, in processor time, so that other
load does not count; the rest is serial. A call that
submits jobs takes, on n cores, as long as n workers that take the next job whenever they are free.
Not included: shared caches and memory, and the wake-up of threads (some 10 us a call).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from services.media.scene import Scene
from services.process.huge_pages import start_again
from streamcodec.codec import Codec
from streamcodec.frame import Frame
from streamcodec.parallel import Threads

CORES = (1, 2, 4, 8, 16)
_QUALITY = 36
_WARM_UP = 4


@dataclass(frozen=True, slots=True)
class Work:
    """One encode or decode: total processor seconds, and those of each job of each call."""

    total_s: float
    jobs_s: list[list[float]]

    @property
    def serial_s(self) -> float:
        """The serial part."""
        return self.total_s - sum(map(sum, self.jobs_s))

    def on(self, cores: int) -> float:
        """Seconds on so many cores."""
        return self.serial_s + sum(makespan(jobs, cores) for jobs in self.jobs_s)


def makespan(jobs_s: Sequence[float], workers: int) -> float:
    """End of the last job, if each worker takes the next job as soon as it is free."""
    free = [0.0] * workers
    for job in jobs_s:
        first = free.index(min(free))
        free[first] += job
    return max(free)


def measure(codec: Codec, threads: Threads, frames: Sequence[Frame]) -> tuple[list[Work], ...]:
    """Encodes and decodes of a chain of inter frames."""
    encodes, decodes = [], []
    key = codec.encode(frames[0], quality=_QUALITY)
    assert key.packet is not None
    ahead, behind = key.reference, codec.decode(key.packet).reference
    for frame in frames[1:]:
        threads.pool.watch()
        start = time.thread_time()
        encoded = codec.encode(frame, ahead, quality=_QUALITY)
        encodes.append(Work(time.thread_time() - start, threads.pool.watched()))
        assert encoded.packet is not None
        threads.pool.watch()
        start = time.thread_time()
        _, behind = codec.decode(encoded.packet, behind)
        decodes.append(Work(time.thread_time() - start, threads.pool.watched()))
        ahead = encoded.reference
    return encodes[_WARM_UP:], decodes[_WARM_UP:]


def row(name: str, works: Sequence[Work]) -> str:
    """A line of the table: medians in ms."""
    cells = [f"{1000 * median(w.on(cores) for w in works):.1f}" for cores in CORES]
    serial = f"{1000 * median(w.serial_s for w in works):.1f}"
    return f"| {name} | {' | '.join(cells)} | {serial} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--resolutions", default="640x360,1280x720,1920x1080")
    parser.add_argument("--effort", default="normal")
    parser.add_argument("--size", default="S")
    parser.add_argument("--frames", type=int, default=24)
    options = parser.parse_args(arguments)
    print(f"| ms a frame | {' | '.join(f'{n} cores' for n in CORES)} | of it serial |")
    print("| --- |" + " ---: |" * (len(CORES) + 1))
    for resolution in options.resolutions.split(","):
        width, height = map(int, resolution.split("x", 1))
        scene = Scene(width, height)
        frames = [scene.frame(n) for n in range(options.frames)]
        with Threads(1) as threads:
            codec = Codec.load(options.size, device="cpu", threads=threads).trying(options.effort)
            encodes, decodes = measure(codec, threads, frames)
        print(row(f"encode {resolution}", encodes))
        print(row(f"decode {resolution}", decodes), flush=True)
    return 0


if __name__ == "__main__":
    start_again()  # as the commands do
    raise SystemExit(main())
