# SPDX-License-Identifier: Apache-2.0
"""Plans the encodes of each captured frame for all receivers; pure.

One encode serves every receiver that holds its reference. Both ends keep the last few references,
so a receiver that skips frames still shares one with the others, and the newest common one is used.
A receiver that shares none is served from one that it alone holds when there is time for a second
encode, else by a keyframe. Keyframes go to everybody, at most one per second: a keyframe for one
alone would part the chains for good.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from services.protocol import messages as m
from services.protocol.session import State
from services.protocol.viewer import REFERENCES_HELD, Viewer
from services.rate import FixedRate, Policy, share

KEYFRAME_INTERVAL_US = 1_000_000  # requests within this time share one keyframe
KEYFRAME_PATIENCE_US = 150_000  # how long a keyframe waits for receivers without credit
KEYFRAME_LINK_S = 0.08  # of the link's time that a keyframe may take, where one period is less
MAX_KEYFRAME_FLOOR_BYTES = 40_000
FIRST_FLIGHT_BYTES = 13_000  # TCP's first ten packets (RFC 6928): more waits for a round trip
SECOND_ENCODE_SHARE = 0.8  # of a frame period that two encodes may take
MERGE_US = 5_000_000  # parted chains cost an encode each: a keyframe joins them after this
MAX_PINNED = 10  # old references kept for receivers that stand still


@dataclass(frozen=True, slots=True)
class Rules:
    """How budgets are made: fixed rate, fixed quality, congestion, and several receivers."""

    kbps: float | None = None
    quality: int | None = None
    adaptive: bool = True
    policy: Policy = Policy.SLOWEST
    floor_bytes: int = 600


@dataclass(frozen=True, slots=True)
class Plan:
    """One encode: for whom, from which reference (None: a keyframe), and within which limits."""

    viewers: tuple[bytes, ...]
    reference: bytes | None
    budget_bytes: int | None
    quality: int | None
    reason: str  # what limits it, for the statistics


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
        self._parted_us: int | None = None
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

        `encode_us` is what one encode takes; `least_bytes` the least frame worth sending, where
        that is not the stream's own. Another size than before makes a keyframe.
        """
        self._least_bytes = least_bytes
        if (width, height) != self.size:
            self.size = (width, height)
            self._references.clear()
        streaming = [v for v in self._viewers.values() if v.session.state is State.STREAMING]
        if not streaming:
            return Plans((), "idle")
        ready = [viewer for viewer in streaming if viewer.credit.open()]
        keyframe = self._keyframe_due(ready, streaming, now_us)
        sizes, limits, refused = self._budgets(ready, encode_us, now_us, keyframe=keyframe)
        taking = share(sizes, self._rules.policy, floor_bytes=self._rules.floor_bytes)
        for viewer in streaming:
            if viewer.peer not in taking:
                viewer.frames_skipped += 1
        if not taking:
            return Plans((), refused if ready else "receiver")
        if keyframe:
            plan = self._make(tuple(taking), None, taking, limits, now_us)
            return Plans((plan,))
        return self._inter_plans(taking, limits, encode_us, now_us)

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
        if plan.reference is None:
            self._key_asked = False
            self._key_wanted_us = None
            self._key_planned_us = now_us
        peers = []
        for peer in plan.viewers:
            viewer = self._viewers.get(peer)
            if viewer is None or viewer.session.state is not State.STREAMING:
                continue
            if plan.reference is None:
                viewer.needs_keyframe = False
            elif viewer.needs_keyframe:
                continue  # asked for a keyframe while this frame was coded
            viewer.sent(sequence, digest, size_bytes, now_us=now_us)
            peers.append(peer)
        keep = self.references()
        for old in [digest for digest in self._references if digest not in keep]:
            del self._references[old]
        return tuple(peers)

    def references(self) -> set[bytes]:
        """Digests of the references worth keeping; the caller may drop all others."""
        known = list(self._references)
        last = {viewer.held[-1] for viewer in self._viewers.values() if viewer.held}
        pinned = [digest for digest in known if digest in last]
        return {*known[-REFERENCES_HELD:], *pinned[-MAX_PINNED:]}

    def _keyframe_due(self, ready: list[Viewer], streaming: list[Viewer], now_us: int) -> bool:
        if not ready:
            return False
        if not self._references:
            return True
        wanted = self._key_asked or any(viewer.needs_keyframe for viewer in ready)
        if not wanted:
            self._key_wanted_us = None
            return False
        alone = all(viewer.needs_keyframe for viewer in streaming)
        recently = (
            self._key_planned_us is not None
            and now_us - self._key_planned_us < KEYFRAME_INTERVAL_US
        )
        # A receiver alone that comes anew need not wait, but one that asks and asks must.
        if recently and not (alone and not any(v.frames_sent for v in streaming)):
            return False
        # Whoever misses this keyframe loses the common chain: give everybody a moment.
        if self._key_wanted_us is None:
            self._key_wanted_us = now_us
        return len(ready) == len(streaming) or now_us - self._key_wanted_us > KEYFRAME_PATIENCE_US

    def _budgets(
        self, ready: list[Viewer], encode_us: int, now_us: int, *, keyframe: bool
    ) -> tuple[dict[bytes, int], dict[bytes, str], str]:
        """Size and limit of each receiver that takes this frame; why the others do not."""
        sizes: dict[bytes, int] = {}
        limits: dict[bytes, str] = {}
        refused = "keyframe"
        for viewer in ready:
            if viewer.needs_keyframe and not keyframe:
                continue
            if not self._rules.adaptive:
                sizes[viewer.peer], limits[viewer.peer] = m.MAX_PACKET_BYTES, "none"
                continue
            floor = self._least_bytes
            if keyframe:
                floor = int(viewer.congestion.capacity_bps / 8 * KEYFRAME_LINK_S)
                fresh = viewer.congestion.min_rtt_us is None
                most = FIRST_FLIGHT_BYTES if fresh else MAX_KEYFRAME_FLOOR_BYTES
                floor = max(self._rules.floor_bytes, min(floor, most))
            budget = viewer.congestion.budget(now_us, encode_us=encode_us, floor_bytes=floor)
            if budget.size_bytes is None:
                refused = "bandwidth"
                continue
            sizes[viewer.peer], limits[viewer.peer] = budget.size_bytes, budget.reason
        return sizes, limits, refused

    def _inter_plans(
        self, taking: dict[bytes, int], limits: dict[bytes, str], encode_us: int, now_us: int
    ) -> Plans:
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
            if len(plans) == 2:
                break
        if len(plans) > 1 or len(plans[0].viewers if plans else ()) == _streaming(self._viewers):
            self._note_parting(len(plans) > 1, now_us)
        for peer in left:
            viewer = self._viewers[peer]
            viewer.frames_skipped += 1
            viewer.needs_keyframe = True
        return Plans(tuple(plans), "" if plans else "keyframe")

    def _note_parting(self, parted: bool, now_us: int) -> None:
        if not parted:
            self._parted_us = None
        elif self._parted_us is None:
            self._parted_us = now_us
        elif now_us - self._parted_us > MERGE_US:
            self._parted_us = None
            self._key_asked = True

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
    ) -> Plan:
        size = min(sizes[peer] for peer in viewers)
        reason = next((limits[p] for p in viewers if sizes[p] == size), "none")
        if self._fixed is not None:
            fixed = self._fixed.budget_bytes(now_us, keyframe=reference is None)
            if fixed <= size:
                size, reason = fixed, "none"
        unlimited = size >= m.MAX_PACKET_BYTES
        return Plan(viewers, reference, None if unlimited else size, self._rules.quality, reason)


def _streaming(viewers: dict[bytes, Viewer]) -> int:
    return sum(viewer.session.state is State.STREAMING for viewer in viewers.values())
