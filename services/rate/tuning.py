# SPDX-License-Identifier: Apache-2.0
"""Constants of rate control; pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """The controller's constants, each with its reason (sensitivities: docs/link.md)."""

    link_share: float = 0.95  # the missing 5% let queues drain
    drain: float = 0.75  # part of the backlog removed per frame; more costs skips, less costs delay
    window_frames: int = 12  # capacity rises over this many frames ...
    fast_frames: int = 3  # ... and falls within this many
    filled_share: float = 0.5  # of its budget: a frame below tests nothing, so nothing grows
    growth: float = 1.12  # per frame: doubles in 0.2 s, bounds an optimistic estimate
    blind_growth: float = 1.04  # per frame of one packet, which measures nothing: drift up
    carried_share: float = 0.4  # of a budget: what the frame before left of its own is added
    saved_periods: float = 2.0  # a link too thin for every frame saves time up to this many periods
    stall_us: int = 400_000  # a longer gap is an outage, not a rate
    resume_share: float = 0.25  # capacity assumed after an outage or a reconnect
    yield_floor: float = 0.8  # a standing queue makes us give way, but never below this
    yield_after_us: int = 8_000
    yield_span_us: int = 100_000
    rival_us: int = 20_000  # a queue this high that nobody drained for 1 s belongs to another flow
    recovery_us: int = 2_000_000  # after an outage a queue that remains is our own
    # A link that stopped often stops again. What is under way then comes late, so it is one frame
    # until the first sent after the outage is acknowledged, and one more with each that follows.
    resume_frames: int = 1
    rival_slack_us: int = 40_000  # a rival's queue moves by itself: tolerate that much
    slack_us: int = 6_000  # backlog below this is scheduling noise
    keepalive_backlog_us: int = 60_000
    # A coarse frame costs the link little and a skipped one is seen: instead of skipping, frames of
    # the least size go out while no more waits ahead and no acknowledgement is overdue for longer.
    smooth_backlog_us: int = 120_000
    smooth_silence_us: int = 28_000
    smooth_least: float = 1.35  # times what least frames need: a thinner link saves for larger ones
    smooth_ease: float = 2.5  # times the same: below it less may wait ahead
    floor_bytes_per_s: float = 12_000.0  # 96 kbit/s: where a collapsed estimate restarts
    start_bytes_per_s: float = 50_000.0
    start_frames: int = 2  # sent before the first acknowledgement

    @classmethod
    def assertive(cls) -> Tuning:
        """Opt-in: holds its ground beside bulk transfers and pays with delay (docs/link.md)."""
        return cls(rival_slack_us=120_000, yield_floor=1.0, keepalive_backlog_us=200_000)
