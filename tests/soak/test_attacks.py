# SPDX-License-Identifier: Apache-2.0
"""A sender and a relay under all attacks at once, by one who has a key, beside honest viewers.

    pytest -m soak -s tests/soak/test_attacks.py      # 10 minutes; STREAMCODEC_SOAK_SECONDS

The attackers (`mob`) are stronger than the machine: they share its processor with the victims, so
what the viewers keep is told beside what the machine lets them have alone.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from services.wire import keys
from services.wire.key_pair import make_pair
from services.wire.keys import Right
from tests.attackers import curve_is_possible
from tests.soak.children import Child, free_port, report, running, span_s, watch

SECONDS = span_s(600)
GROWTH_MIB = 150
BACK_MIB = 40
KEPT = 0.9

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(2 * SECONDS + 900),
    pytest.mark.skipif(not curve_is_possible(), reason="no libsodium to attack with"),
]


def child(name: str, module: str, words: list[str], folder: Path, *, owner: str) -> Child:
    command = [sys.executable, "-m", f"tests.soak.{module}", *words, "--keys", str(folder / owner)]
    return Child(name, command, folder)


def figures(child: Child) -> list[dict[str, object]]:
    text = child.out.read_text(encoding="utf-8") if child.out.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def shown(child: Child) -> int:
    lines = figures(child)
    return int(str(lines[-1]["framesDisplayed"])) if lines else 0


def resident_mib(child: Child) -> float:
    return child.lives[-1][-1].resident_kib / 1024


def make_keys(folder: Path) -> None:
    """One who publishes and relays; an honest viewer, and mallory, who may view as well."""
    public = {
        name: keys.create(folder / name, make_pair).public_key.decode()
        for name in ("studio", "alice", "mallory")
    }
    for name in ("alice", "mallory"):
        keys.allow(folder / "studio", name, public[name], frozenset({Right.VIEW}))
        keys.allow(folder / name, "studio", public["studio"], frozenset({Right.PUBLISH}))
    # The relay has the studio's keys, as another place of the same owner.
    keys.allow(
        folder / "studio", "itself", public["studio"], frozenset({Right.VIEW, Right.PUBLISH})
    )


def test_all_attacks_at_once(tmp_path: Path) -> None:
    """Nobody ends, memory stays bounded and comes back, the honest viewers keep their frames."""
    make_keys(tmp_path)
    ports = [free_port() for _ in range(4)]
    up, down = (f"tcp://127.0.0.1:{port}" for port in ports[:2])
    sender = child(
        "sender", "besieged", ["sender", up, "--metrics", str(ports[2])], tmp_path, owner="studio"
    )
    relay = child(
        "relay",
        "besieged",
        ["relay", down, "--upstream", up, "--metrics", str(ports[3])],
        tmp_path,
        owner="studio",
    )
    near = child("near", "besieged", ["receiver", up], tmp_path, owner="alice")
    far = child("far", "besieged", ["receiver", down], tmp_path, owner="alice")
    pages = [f"http://127.0.0.1:{port}" for port in ports[2:]]
    mob = child("mob", "mob", [up, down, *pages], tmp_path, owner="mallory")
    ends = (sender, relay, near, far)
    with running(*ends):
        deadline = time.monotonic() + 300
        while not (shown(near) and shown(far)):
            assert time.monotonic() < deadline, [one.errors[-400:] for one in ends]
            time.sleep(0.5)
        watch(ends, 5.0)
        begin_s, begin = time.monotonic(), [shown(near), shown(far)]
        calm_s = max(15.0, SECONDS / 10)
        watch(ends, calm_s)
        alone = [
            (shown(v) - n) / (time.monotonic() - begin_s)
            for v, n in zip((near, far), begin, strict=True)
        ]
        before = {one.name: resident_mib(one) for one in ends}
        begin = [shown(near), shown(far)]
        with running(mob):
            begin_s = time.monotonic()
            watch(ends, SECONDS)
            spent_s = time.monotonic() - begin_s
            beside = [(shown(v) - n) / spent_s for v, n in zip((near, far), begin, strict=True)]
            peak = {one.name: max(u.resident_kib for u in one.lives[-1]) / 1024 for one in ends}
            files = {one.name: max(u.descriptors for u in one.lives[-1]) for one in ends}
            mob.stop(grace_s=30.0)
        watch(ends, 10.0)
        after = {one.name: resident_mib(one) for one in ends}
        last = [figures(one)[-1] for one in (sender, relay)]
    report(
        "all attacks at once",
        {
            "seconds": round(spent_s),
            "fps_alone": [round(value, 1) for value in alone],
            "fps_beside": [round(value, 1) for value in beside],
            "mib": {
                name: [round(before[name]), round(peak[name]), round(after[name])]
                for name in before
            },
            "descriptors": files,
            "did": figures(mob)[-1:],
            "said": [
                {
                    key: one.get(key)
                    for key in ("hostileMessages", "refusedConnections", "keyFramesEncoded")
                }
                for one in last
            ],
        },
    )
    for name, mib in before.items():
        assert peak[name] - mib <= GROWTH_MIB
        assert after[name] - mib <= BACK_MIB
    for kept, had in zip(beside, alone, strict=True):
        assert kept >= KEPT * had
