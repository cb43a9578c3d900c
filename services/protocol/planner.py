# SPDX-License-Identifier: Apache-2.0
"""Plans the encodes of each captured frame for all receivers; pure.

One encode serves every receiver that holds its reference. Both ends keep the last few references,
so a receiver that skips frames still shares one with the others, and the newest common one is used.
A receiver that shares none is served from one that it alone holds when there is time for a second
encode, else by a keyframe.

A keyframe goes to everybody, within the rate limit of `allotment`; else to those alone who need it,
beside the frame of the others, when there is time for a second encode. Chains that have diverged so
are merged again by a keyframe for all.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from services.protocol import messages as m
from services.protocol.allotment import SPACING_US, Allotment
from services.protocol.session import State
from services.protocol.viewer import REFERENCES_HELD, Viewer, references_held
from services.rate.fixed import FixedRate

KEYFRAME_INTERVAL_US = SPACING_US
KEYFRAME_PATIENCE_US = 150_000  # how long a keyframe waits for receivers without credit
KEYFRAME_LINK_S = 0.08  # of the link's time that a keyframe may take, where one period is less
KEYFRAME_PERIODS = 1.8  # and of frame periods: the next frame may wait for it, not the next two
LEAST_KEYFRAME_FLOOR_BYTES, MAX_KEYFRAME_FLOOR_BYTES = 600, 40_000
FIRST_FLIGHT_BYTES = 13_000  # TCP's first ten packets (RFC 6928): more waits for a round trip
SECOND_ENCODE_SHARE = 0.8  # of a frame period that two encodes may take
MERGE_US = 5_000_000  # diverged chains cost an encode each: a keyframe merges them after this
MAX_PINNED = 10  # old references kept for receivers that take no frames
UNDER_WAY_BYTES = 64 * 1024 * 1024  # to all receivers together
LEAST_UNDER_WAY_BYTES = 32 * 1024  # that each may have, however many there are
_RAW_BYTES = 2  # of a pixel, that no packet exceeds by much


@dataclass(frozen=True, slots=True)
class Rules:
    """How budgets are made: fixed rate, fixed quality, congestion."""

    kbps: float | None = None
    quality: int | None = None
    adaptive: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """One encode: for whom, from which reference (None: a keyframe), and within which limits."""

    viewers: tuple[bytes, ...]
    reference: bytes | None
    budget_bytes: int | None
    quality: int | None
    reason: str  # what limits it, for the statistics
    for_all: bool = True  # a keyframe for some only leaves the chain of the others as it is


@dataclass(frozen=True, slots=True)
class Plans:
    """What to do with a captured frame. No plans: skip it, for `skipped`."""

    plans: tuple[Plan, ...]
    skipped: str = ""


class Planner:
    """Decides for whom, from what and within which limits frames are encoded.

    `viewers` is the live table of receivers, owned by the caller.
    """

    def __init__(
        self,
        rules: Rules,
        viewers: dict[bytes, Viewer],
        *,
        frame_interval_us: int,
        size: tuple[int, int] = (0, 0),
    ) -> None:
        self._rules = rules
        self._viewers = viewers
        self._interval_us = frame_interval_us
        self._references: OrderedDict[bytes, None] = OrderedDict()  # oldest first
        self.size = size  # of the last frame, or the next
        self._least_bytes: int | None = None
        self._key_asked = False
        self._key_wanted_us: int | None = None
        self._key_planned_us: int | None = None
        self._aside_planned_us: int | None = None  # a keyframe for some only
        self._allotment = Allotment()
        self._diverged_us: int | None = None
        self._fixed = (
            FixedRate(bits_per_s=round(rules.kbps * 1000), frame_interval_us=frame_interval_us)
            if rules.kbps
            else None
        )

    def request_keyframe(self) -> None:
        """Make the next frame a keyframe for everybody."""
        self._key_asked = True

    def plan(
        self,
        *,
        width: int,
        height: int,
        encode_us: int,
        now_us: int,
        least_bytes: int | None = None,
    ) -> Plans:
        """Decide what a frame of this size, captured now, becomes.

        `encode_us` is what one encode takes; `least_bytes` the least useful frame, where
        that is not the stream's own. Another size than before makes a keyframe.
        """
        self._least_bytes = least_bytes
        if (width, height) != self.size:
            self.size = (width, height)
            self._references.clear()
        streaming = [v for v in self._viewers.values() if v.session.state is State.STREAMING]
        if not streaming:
            return Plans((), "idle")
        most_bytes = max(LEAST_UNDER_WAY_BYTES, UNDER_WAY_BYTES // len(streaming))
        ready = [v for v in streaming if v.credit.open(most_bytes=most_bytes)]
        keyframe = self._keyframe_due(ready, streaming, now_us)
        aside: list[Viewer] = []
        if not keyframe and self._has_time_aside(encode_us, now_us):
            aside = self._wanting(ready)
            soon = any(self._allotment.will_allow(v.asker, now_us) for v in aside)
            aside = [] if soon or len(aside) == len(ready) else aside
        along = [v for v in ready if v not in aside and (keyframe or not v.needs_keyframe)]
        refused = "keyframe" if ready else "receiver"
        sizes, limits, why = self._budgets(along, encode_us, now_us, keyframe=keyframe)
        taking = _shared(sizes)
        plans: tuple[Plan, ...] = ()
        if taking and keyframe:
            plans = (self._make(tuple(taking), None, taking, limits, now_us),)
        elif taking:
            plans = self._inter_plans(taking, limits, encode_us, now_us, most=1 if aside else 2)
        if aside:
            plans += self._plan_aside(aside, encode_us, now_us)
            self._note_divergence(True, now_us)
        served = {peer for plan in plans for peer in plan.viewers}
        for viewer in streaming:
            viewer.frames_skipped += viewer.peer not in served
        return Plans(plans, "" if plans else why or refused)

    def committed(
        self,
        plan: Plan,
        *,
        sequence: int,
        digest: bytes,
        size_bytes: int,
        now_us: int,
    ) -> tuple[bytes, ...]:
        """The plan became a packet; returns the peers that still want it."""
        if self._fixed is not None:
            self._fixed.spend(size_bytes)
        self._references[digest] = None
        if plan.reference is None and plan.for_all:
            askers = [v.asker for v in self._viewers.values() if v.wants_keyframe or v.aside]
            if len(askers) < _streaming(self._viewers):  # it costs others, too
                self._allotment.took(askers, now_us)
            self._key_asked = False
            self._key_wanted_us = None
            self._key_planned_us = now_us
        elif plan.reference is None:
            self._aside_planned_us = now_us
        peers = []
        for peer in plan.viewers:
            viewer = self._viewers.get(peer)
            if viewer is None or viewer.session.state is not State.STREAMING:
                continue
            if plan.reference is None:
                viewer.needs_keyframe = viewer.asked = False
                viewer.aside = not plan.for_all
            elif viewer.needs_keyframe:
                continue  # asked for a keyframe while this frame was coded
            viewer.sent(sequence, digest, size_bytes, now_us=now_us)
            peers.append(peer)
        keep = self.references()
        for old in [digest for digest in self._references if digest not in keep]:
            del self._references[old]
        return tuple(peers)

    def references(self) -> set[bytes]:
        """Digests of the references that are still needed; the caller may drop all others."""
        known = list(self._references)
        last = {viewer.held[-1] for viewer in self._viewers.values() if viewer.held}
        pinned = [digest for digest in known if digest in last]
        kept = references_held(self.size[0] * self.size[1])
        most_pinned = MAX_PINNED * kept // REFERENCES_HELD
        return {*known[-kept:], *pinned[-most_pinned:]}

    def _keyframe_due(self, ready: list[Viewer], streaming: list[Viewer], now_us: int) -> bool:
        if not ready:
            return False
        if not self._references:
            return True
        recently = (
            self._key_planned_us is not None
            and now_us - self._key_planned_us < KEYFRAME_INTERVAL_US
        )
        alone = all(viewer.wants_keyframe for viewer in streaming)
        if alone and not any(v.frames_sent for v in streaming):
            wanted = True  # a first keyframe for newcomers alone: nobody else pays
        elif recently:
            return False  # repeated requests wait
        else:
            wanted = self._key_asked or alone or self._is_granted(self._wanting(ready), now_us)
        if not wanted:
            self._key_wanted_us = None
            return False
        # A receiver without credit now would lose the common chain: wait a moment for all.
        if self._key_wanted_us is None:
            self._key_wanted_us = now_us
        return len(ready) == len(streaming) or now_us - self._key_wanted_us > KEYFRAME_PATIENCE_US

    def _wanting(self, ready: list[Viewer]) -> list[Viewer]:
        return [viewer for viewer in ready if viewer.wants_keyframe]

    def _is_granted(self, wanting: list[Viewer], now_us: int) -> bool:
        """Whether all get a keyframe because these want one."""
        return any(self._allotment.allows(viewer.asker, now_us) for viewer in wanting)

    def _has_time_aside(self, encode_us: int, now_us: int) -> bool:
        """Whether some may get a keyframe of their own now, beside the others' frame."""
        before_us = self._aside_planned_us
        if before_us is not None and now_us - before_us < KEYFRAME_INTERVAL_US:
            return False
        return 2 * encode_us <= SECOND_ENCODE_SHARE * self._interval_us

    def _plan_aside(self, aside: list[Viewer], encode_us: int, now_us: int) -> tuple[Plan, ...]:
        sizes, limits, _ = self._budgets(aside, encode_us, now_us, keyframe=True)
        taking = _shared(sizes)
        if not taking:
            return ()
        return (self._make(tuple(taking), None, taking, limits, now_us, for_all=False),)

    def _budgets(
        self, ready: list[Viewer], encode_us: int, now_us: int, *, keyframe: bool
    ) -> tuple[dict[bytes, int], dict[bytes, str], str]:
        """Size and limit of each receiver that takes this frame; why the others do not."""
        sizes: dict[bytes, int] = {}
        limits: dict[bytes, str] = {}
        refused = ""
        for viewer in ready:
            if not self._rules.adaptive:
                sizes[viewer.peer], limits[viewer.peer] = m.MAX_PACKET_BYTES, "none"
                continue
            floor = self._least_bytes
            if keyframe:
                link_s = min(KEYFRAME_LINK_S, KEYFRAME_PERIODS * self._interval_us / 1e6)
                floor = int(viewer.congestion.capacity_bps / 8 * link_s)
                fresh = viewer.congestion.min_rtt_us is None
                most = FIRST_FLIGHT_BYTES if fresh else MAX_KEYFRAME_FLOOR_BYTES
                floor = max(LEAST_KEYFRAME_FLOOR_BYTES, min(floor, most))
            budget = viewer.congestion.budget(now_us, encode_us=encode_us, floor_bytes=floor)
            if budget.size_bytes is None:
                refused = "bandwidth"
                continue
            sizes[viewer.peer], limits[viewer.peer] = budget.size_bytes, budget.reason
        return sizes, limits, refused

    def _inter_plans(
        self,
        taking: dict[bytes, int],
        limits: dict[bytes, str],
        encode_us: int,
        now_us: int,
        *,
        most: int,
    ) -> tuple[Plan, ...]:
        left = set(taking)
        plans: list[Plan] = []
        while left:
            reference, holders = self._best_reference(left)
            if reference is None:
                break
            if plans and 2 * encode_us > SECOND_ENCODE_SHARE * self._interval_us:
                break
            served = tuple(peer for peer in taking if peer in holders)  # in a steady order
            plans.append(self._make(served, reference, taking, limits, now_us))
            left -= holders
            if len(plans) == most:
                break
        if len(plans) > 1 or len(plans[0].viewers if plans else ()) == _streaming(self._viewers):
            self._note_divergence(len(plans) > 1, now_us)
        if most > 1:
            for peer in left:
                self._viewers[peer].needs_keyframe = True
        return tuple(plans)

    def _note_divergence(self, diverged: bool, now_us: int) -> None:
        if not diverged:
            self._diverged_us = None
        elif self._diverged_us is None:
            self._diverged_us = now_us
        elif now_us - self._diverged_us > MERGE_US and self._may_merge(now_us):
            self._diverged_us = None
            self._key_asked = True

    def _may_merge(self, now_us: int) -> bool:
        """Whether the rate limit allows a keyframe for all for one of these. A receiver that
        asks again and again keeps a chain of its own, at no cost to the others."""
        aside = [viewer for viewer in self._viewers.values() if viewer.aside]
        return not aside or self._is_granted(aside, now_us)

    def _best_reference(self, peers: set[bytes]) -> tuple[bytes | None, set[bytes]]:
        """The newest reference that most of the peers hold, and who they are."""
        best: bytes | None = None
        holders: set[bytes] = set()
        for digest in reversed(self._references):
            having = {peer for peer in peers if digest in self._viewers[peer].held}
            if len(having) > len(holders):
                best, holders = digest, having
        return best, holders

    def _make(
        self,
        viewers: tuple[bytes, ...],
        reference: bytes | None,
        sizes: dict[bytes, int],
        limits: dict[bytes, str],
        now_us: int,
        *,
        for_all: bool = True,
    ) -> Plan:
        size = min(sizes[peer] for peer in viewers)
        reason = next((limits[p] for p in viewers if sizes[p] == size), "none")
        if self._fixed is not None:
            fixed = self._fixed.budget_bytes(now_us, keyframe=reference is None)
            if fixed <= size:
                size, reason = fixed, "none"
        # A small picture cannot exceed what a packet may weigh, whatever its quality.
        small = _RAW_BYTES * self.size[0] * self.size[1] < m.MAX_PACKET_BYTES
        budget = None if small and size >= m.MAX_PACKET_BYTES else size
        return Plan(viewers, reference, budget, self._rules.quality, reason, for_all)


def _streaming(viewers: dict[bytes, Viewer]) -> int:
    return sum(viewer.session.state is State.STREAMING for viewer in viewers.values())


def _shared(sizes_bytes: dict[bytes, int]) -> dict[bytes, int]:
    """Each receiver of a shared encode with the size that all of them can take."""
    return dict.fromkeys(sizes_bytes, min(sizes_bytes.values(), default=0))
