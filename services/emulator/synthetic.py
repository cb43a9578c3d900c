# SPDX-License-Identifier: Apache-2.0
"""Making link traces of our own: `python -m services.emulator.synthetic` writes those that ship.

The logarithm of the rate walks around its mean (an Ornstein-Uhlenbeck process), as fading makes
it; a scheduler grants the capacity in bursts; a vehicle drives through stretches almost without
signal. The parameters are set so that the one-second rates resemble published drive tests of each
kind of network; no recording went into them.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random

from services.emulator.trace import OPPORTUNITY_BYTES, format_trace


@dataclass(frozen=True, slots=True)
class Fading:
    """Parameters of a synthetic trace."""

    seconds: int
    mean_bps: float
    deviation: float  # of the natural logarithm of the rate
    memory_s: float  # autocorrelation time of the rate
    grant_ms: int  # the scheduler serves this terminal once in so many milliseconds
    dead: tuple[tuple[float, float], ...] = ()  # spans (start, end) with very little capacity
    trickle: float = 0.004


TRACES = {
    "lte.trace": Fading(60, 5.0e6, 0.55, 1.5, grant_ms=4),
    "lte-driving.trace": Fading(
        60, 4.5e6, 0.9, 2.5, grant_ms=5, dead=((13.0, 14.6), (28.0, 34.5), (51.0, 52.2))
    ),
    "3g.trace": Fading(60, 1.1e6, 0.7, 3.0, grant_ms=10, dead=((37.0, 39.0),)),
}


def synthesise(fading: Fading, *, seed: int) -> tuple[int, ...]:
    """Stamps in milliseconds of a Mahimahi trace; the same seed gives the same trace."""
    random = Random(f"{seed}/fading")
    step_s = 0.001
    keep = math.exp(-step_s / fading.memory_s)
    push = fading.deviation * math.sqrt(1 - keep * keep)
    level = 0.0
    credit = 0.0
    stamps: list[int] = []
    for ms in range(fading.seconds * 1000):
        level = keep * level + push * random.gauss(0, 1)
        rate = fading.mean_bps * math.exp(level - fading.deviation**2 / 2)
        if any(start <= ms / 1000 < end for start, end in fading.dead):
            rate *= fading.trickle
        credit += rate * step_s / (8 * OPPORTUNITY_BYTES)
        if random.random() < 1 / fading.grant_ms:
            stamps += [ms + 1] * int(credit)
            credit -= int(credit)
    # The last stamp is the period of the trace.
    stamps.append(fading.seconds * 1000)
    return tuple(stamps)


def main(folder: Path) -> None:
    """Write every shipped trace into a folder."""
    for name, fading in TRACES.items():
        folder.joinpath(name).write_text(format_trace(synthesise(fading, seed=1)), encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "profiles")
