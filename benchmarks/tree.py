# SPDX-License-Identifier: Apache-2.0
"""A tree of relays and a hundred thousand viewers in virtual time: `python -m benchmarks.tree`.

All viewers join within a second, long after the last keyframe: how many requests reach the sender,
and when do all have a picture? Then latency by depth. Then a relay near the root and two relays
of viewers are lost: how long do the viewers behind them have no new picture? Seeded; the same
arguments give the same figures.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.steady_codec import Material
from benchmarks.tree_model import Book, Clockwork, Costs, Node, PlainWire, silence_us
from benchmarks.tree_nodes import RelayNode, SenderNode, ViewerNode
from services.protocol.chain import MAX_FRAMES

# One relay process on one core of a server CPU, by `python -m benchmarks.tree_live`.
MEASURED = Costs(wake_us=300, message_us=20, handout_us=85)
RECONNECT_US = 100_000  # as in services.wire.transport, after a connection broke
PROBES = 10  # viewers at every node above the leaves, to see latency by depth
STEADY_US = 500_000  # of latencies: enough for so many viewers
_START_US = 10_000_000
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """The tree: relays at each level, viewers below the last, and delays of one way."""

    viewers: int = 100_000
    relays: tuple[int, ...] = (10, 1000)
    fps: float = 30.0
    seed: int = 1
    relay_delay_us: tuple[int, int] = (5_000, 25_000)
    viewer_delay_us: tuple[int, int] = (5_000, 40_000)
    decode_us: int = 8_000
    join_s: float = 1.0
    costs: Costs = field(default_factory=lambda: MEASURED)


class Tree:
    """The tree of a plan, with its virtual clock."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.clockwork = Clockwork()
        self.clockwork.run(_START_US)
        self.book = Book()
        self._random = random.Random(plan.seed)
        self.sender = SenderNode(self.clockwork, plan.costs, self.book, Material(fps=plan.fps))
        self.levels: list[list[RelayNode]] = []
        for depth, relays in enumerate(plan.relays, 1):
            self.levels.append([self._relay(number, depth) for number in range(relays)])
        self.viewers: list[ViewerNode] = []
        self.places: list[Node] = []  # of each viewer

    @property
    def leaves(self) -> list[RelayNode]:
        """The relays that serve viewers."""
        return self.levels[-1]

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.clockwork.run(self.clockwork.now_us + round(seconds * 1e6))

    def join_probes(self) -> None:
        """Some viewers at every node above the leaves."""
        above: list[Node] = [self.sender, *(node for level in self.levels[:-1] for node in level)]
        self._join([node for node in above for _ in range(PROBES)], spread_us=_SECOND_US)

    def join_all(self) -> None:
        """All viewers, within the time of the plan."""
        leaves = [self.leaves[n % len(self.leaves)] for n in range(self.plan.viewers)]
        self._join(leaves, spread_us=round(self.plan.join_s * 1e6))

    def _join(self, places: Sequence[Node], *, spread_us: int) -> None:
        for node in places:
            viewer = ViewerNode(
                self.clockwork,
                self.book,
                number=len(self.viewers),
                delay_us=self._random.randint(*self.plan.viewer_delay_us),
                decode_us=self.plan.decode_us,
            )
            self.viewers.append(viewer)
            self.places.append(node)
            at_us = self.clockwork.now_us + self._random.randrange(spread_us)
            self.clockwork.call(at_us, _joining(viewer, node))

    def lose(self, relay: RelayNode, *, silently: bool) -> list[ViewerNode]:
        """A relay dies: its process, which its peers notice at once, or `silently` its machine.

        Its viewers move to other leaves; relays behind it find another parent. Returns all
        viewers behind it.
        """
        relay.dead = True
        now_us = self.clockwork.now_us
        behind = [child for level in self.levels for child in level if child.parent is relay]
        if not silently:
            for child in behind:
                seen_us = now_us + self.plan.relay_delay_us[1] + RECONNECT_US
                self.clockwork.call(seen_us, child.disconnected)
        affected = []
        for place, (viewer, node) in enumerate(zip(self.viewers, self.places, strict=True)):
            if node is relay:
                other = self._living(self.levels[relay.depth - 1])
                self.places[place] = other
                seen_us = now_us + self.plan.viewer_delay_us[1] + RECONNECT_US
                if silently:
                    seen_us = silence_us(viewer.heard_us)
                self.clockwork.call(seen_us, _losing(viewer, other))
            if node is relay or node in behind:
                viewer.watch_gaps(now_us)
                affected.append(viewer)
        return affected

    def _relay(self, number: int, depth: int) -> RelayNode:
        low, high = self.plan.relay_delay_us

        def parent() -> tuple[Node, PlainWire, PlainWire]:
            wire = PlainWire(self._random.randint(low, high))
            if depth == 1:
                return self.sender, wire, wire
            above = self.levels[depth - 2]
            own = above[number % len(above)]
            return (self._living(above) if own.dead else own), wire, wire

        return RelayNode(
            self.clockwork,
            self.plan.costs,
            self.book,
            number=depth * 1_000_000 + number,
            depth=depth,
            parents=parent,
        )

    def _living(self, nodes: Sequence[RelayNode]) -> RelayNode:
        return self._random.choice([node for node in nodes if not node.dead])


def _joining(viewer: ViewerNode, node: Node) -> Callable[[int], None]:
    return lambda now_us: viewer.join(node, now_us)


def _losing(viewer: ViewerNode, node: Node) -> Callable[[int], None]:
    return lambda now_us: viewer.lose(node, now_us)


def simulate(plan: Plan) -> dict[str, object]:
    """Run a plan; its figures, ready for JSON."""
    tree = Tree(plan)
    tree.join_probes()
    tree.run(MAX_FRAMES / plan.fps + 2.0)  # until no chain has its keyframe
    keyframes, requests = tree.sender.keyframes, tree.sender.core.broadcast.keyframe_requests
    asked = [sum(relay.core.intake.keyframe_requests for relay in level) for level in tree.levels]
    tree.book.first_pictures_us = array("q")
    tree.join_all()
    _tell(tree, "all have been told to join")
    tree.run(plan.join_s + 1.0)
    _tell(tree, "the storm is over")
    storm = {
        "viewers": plan.viewers,
        "within_s": plan.join_s,
        "pictures": len(tree.book.first_pictures_us),
        "first_picture_ms": spread_ms(tree.book.first_pictures_us),
        "keyframe_requests_by_level": [
            sum(relay.core.intake.keyframe_requests for relay in level) - before
            for level, before in zip(tree.levels, asked, strict=True)
        ],
        "keyframe_requests_at_sender": tree.sender.core.broadcast.keyframe_requests - requests,
        "keyframes_coded": tree.sender.keyframes - keyframes,
    }
    now_us = tree.clockwork.now_us
    tree.book.window_us = (now_us, now_us + STEADY_US)
    tree.run(STEADY_US / 1e6 + 0.3)
    steady = {
        str(depth): spread_ms(values) for depth, values in sorted(tree.book.latencies_us.items())
    }
    errors = [
        [relay.core.intake.clock_error_us(tree.clockwork.now_us) for relay in level]
        for level in tree.levels
    ]
    lost = _losses(tree)
    return {
        "plan": asdict(plan),
        "relays": [len(level) for level in tree.levels],
        "storm": storm,
        "latency_ms_by_depth": steady,
        "clock_error_ms_by_depth": [
            spread_ms(array("q", [error for error in level if error is not None]))
            for level in errors
        ],
        "lost": lost,
        "broken_chains": tree.book.broken_chains,
        "hostile_messages": tree.book.hostile,
    }


def _losses(tree: Tree) -> dict[str, object]:
    keyframes, requests = tree.sender.keyframes, tree.sender.core.broadcast.keyframe_requests
    behind = {"relay of viewers, process killed": tree.lose(tree.leaves[0], silently=False)}
    behind["relay of viewers, machine gone"] = tree.lose(tree.leaves[1], silently=True)
    if len(tree.levels) > 1:
        behind["relay of relays, machine gone"] = tree.lose(tree.levels[0][-1], silently=True)
    _tell(tree, "relays are lost")
    tree.run(2.6)
    found: dict[str, object] = {
        what: {
            "viewers": len(viewers),
            "without_picture_ms": spread_ms(array("q", [viewer.gap_us for viewer in viewers])),
        }
        for what, viewers in behind.items()
    }
    found["keyframe_requests_at_sender"] = tree.sender.core.broadcast.keyframe_requests - requests
    found["keyframes_coded"] = tree.sender.keyframes - keyframes
    return found


def _tell(tree: Tree, what: str) -> None:
    """Progress, for a run that takes many minutes."""
    frames = sum(len(values) for values in tree.book.latencies_us.values())
    print(
        f"{tree.clockwork.now_us / 1e6 - _START_US / 1e6:.1f} s: {what} ({frames} frames noted)",
        file=sys.stderr,
        flush=True,
    )


def spread_ms(values_us: Sequence[int]) -> dict[str, float]:
    """Median, 95th percentile and worst."""
    if not values_us:
        return {}
    ordered = sorted(values_us)
    return {
        "p50": round(ordered[len(ordered) // 2] / 1000, 2),
        "p95": round(ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)] / 1000, 2),
        "max": round(ordered[-1] / 1000, 2),
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--viewers", type=int, default=100_000)
    parser.add_argument("--relays", default="10,1000", help="at each level, from the sender down")
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here")
    wanted = parser.parse_args()
    relays = tuple(int(text) for text in wanted.relays.split(","))
    gc.disable()  # millions of objects, and no cycles among the short-lived ones
    started_s = time.monotonic()
    plan = Plan(viewers=wanted.viewers, relays=relays, fps=wanted.fps, seed=wanted.seed)
    found = simulate(plan)
    text = json.dumps({"machine": describe(), "figures": found}, indent=1)
    print(text)
    print(f"{time.monotonic() - started_s:.0f} s of computing")
    if wanted.json is not None:
        wanted.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
