# SPDX-License-Identifier: Apache-2.0
"""A row of the link benchmark in real time: two processes and a link between."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from benchmarks.link_scenarios import Scenario
from services.emulator.namespaces import ADDRESS_A, NamespaceLink
from services.emulator.outages import usefulness
from services.emulator.profile import Profile
from services.emulator.proxy import LinkProxy, SenderSide
from services.emulator.report import FrameRecord, summarise
from services.emulator.simulate import Sample, SimulationResult, StreamResult, least_useful_bps
from services.errors import ConfigError

_SAMPLE_US = 100_000


class _Path(Protocol):
    """A link in real time and how the two ends are started on it."""

    sender_url: str
    receiver_url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def started_us(self) -> int: ...
    def capacity_bytes(self, start_us: int, end_us: int) -> int: ...
    def longest_gap_us(self, start_us: int, end_us: int) -> int: ...
    def carried_bytes(self) -> int: ...
    def command(self, end: str, words: list[str]) -> list[str]: ...


class ProxyPath:
    """The link proxy; `side` is the end that connects to it."""

    def __init__(self, profile: Profile, side: SenderSide = SenderSide.CONNECT) -> None:
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = one.getsockname()[1]
        self._proxy = LinkProxy("127.0.0.1:0", f"127.0.0.1:{port}", profile, sender_side=side)
        urls = (f"tcp://127.0.0.1:{port}", self._proxy.endpoint)
        self.sender_url, self.receiver_url = urls if side is SenderSide.CONNECT else urls[::-1]

    def start(self) -> None:
        self._proxy.start()

    def stop(self) -> None:
        self._proxy.stop()

    def started_us(self) -> int:
        return self._proxy.started_us

    def capacity_bytes(self, start_us: int, end_us: int) -> int:
        return self._proxy.capacity_bytes(start_us, end_us)

    def longest_gap_us(self, start_us: int, end_us: int) -> int:
        return self._proxy.longest_gap_us(start_us, end_us)

    def carried_bytes(self) -> int:
        return self._proxy.snapshot().carried_bytes

    def command(self, end: str, words: list[str]) -> list[str]:
        del end
        return words


class _NamespacePath:
    def __init__(self, profile: Profile, congestion_control: str | None) -> None:
        self._link = NamespaceLink(profile, congestion_control=congestion_control)
        self._link.prepare()
        self.sender_url = self.receiver_url = f"tcp://{ADDRESS_A}:5700"

    def start(self) -> None:
        self._link.start()

    def stop(self) -> None:
        self._link.stop()

    def started_us(self) -> int:
        return self._link.started_us

    def capacity_bytes(self, start_us: int, end_us: int) -> int:
        return self._link.capacity_bytes(start_us, end_us)

    def longest_gap_us(self, start_us: int, end_us: int) -> int:
        return self._link.longest_gap_us(start_us, end_us)

    def carried_bytes(self) -> int:
        return self._link.statistics.delivered_bytes

    def command(self, end: str, words: list[str]) -> list[str]:
        return self._link.command(end, *words)


def run_live(
    scenario: Scenario,
    backend: str,
    *,
    clip: Path | None,
    codec: str,
    sender_options: Sequence[str] = (),
    congestion_control: str | None = None,
) -> SimulationResult:
    """Run a scenario over sockets; the result has the shape of a simulation's."""
    if clip is None:
        raise ConfigError("--live needs --clip: there is no model of a codec in real time")
    path: _Path
    if backend == "proxy":
        path = ProxyPath(scenario.profile)
    else:
        path = _NamespacePath(scenario.profile, congestion_control)
    samples: list[tuple[int, int]] = []
    seconds = scenario.options.seconds
    with tempfile.TemporaryDirectory() as folder:
        out = {role: Path(folder) / f"{role}.json" for role in ("sender", "receiver")}
        words = {
            role: [
                *(sys.executable, "-m", "benchmarks.link_worker", role),
                *("--url", path.sender_url if role == "sender" else path.receiver_url),
                *("--clip", str(clip), "--codec", codec, "--seconds", str(seconds)),
                *("--fps", str(scenario.options.frames_per_second), "--out", str(out[role])),
                *(sender_options if role == "sender" else ()),
            ]
            for role in out
        }
        try:
            with (
                worker(path.command("a", words["sender"])) as sender,
                worker(path.command("b", words["receiver"])) as receiver,
            ):
                path.start()
                say(sender)
                say(receiver)
                while sender.poll() is None:
                    samples.append((time.monotonic_ns() // 1000, path.carried_bytes()))
                    time.sleep(_SAMPLE_US / 1e6)
                say(receiver)
                receiver.wait(30)
        finally:
            path.stop()
        if not all(file.exists() for file in out.values()):
            raise ConfigError("an end of the live run broke off; its error is above")
        seen = {role: json.loads(file.read_text(encoding="utf-8")) for role, file in out.items()}
    return _result(scenario, path, seen["sender"], seen["receiver"], samples)


@contextmanager
def worker(command: list[str], *, quiet: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A process that said "ready"; killed at the end if it still runs. `quiet` drops its log."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        text=True,
        bufsize=1,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise ConfigError(f"{' '.join(command[-14:])}: did not start")
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def say(process: subprocess.Popen[str]) -> None:
    """Write a line to a worker."""
    assert process.stdin is not None
    try:
        process.stdin.write("go\n")
        process.stdin.flush()
    except BrokenPipeError:
        raise ConfigError("an end of the live run broke off; its error is above") from None


def _result(
    scenario: Scenario,
    path: _Path,
    sender: dict[str, Any],
    receiver: dict[str, Any],
    carried: list[tuple[int, int]],
) -> SimulationResult:
    options = scenario.options
    origin_us = path.started_us()
    interval_us = round(1e6 / options.frames_per_second)
    records = _records(sender, receiver, origin_us)
    first_us = records[0].captured_us
    start_us = first_us + round(options.warm_up_s * 1e6)
    end_us = records[-1].captured_us - round(options.cool_down_s * 1e6)
    summary = summarise(
        records,
        interval_us=interval_us,
        start_us=start_us,
        end_us=end_us,
        capacity_bytes=path.capacity_bytes(start_us, end_us),
        longest_gap_us=path.longest_gap_us(start_us, end_us),
        usefulness=usefulness(
            path.capacity_bytes,
            scenario.profile.up.outages,
            end_us=end_us,
            least_bps=least_useful_bps(options),
        ),
    )
    return SimulationResult(
        profile=scenario.profile.name,
        options=options,
        streams=(StreamResult(tuple(records), summary, 0, sender["resolution_changes"]),),
        samples=tuple(_samples(path, sender, carried, origin_us)),
        bulk_mbps=0.0,
        jain=1.0,
        utilisation=summary.utilisation,
        encode_ms=sender["encode_ms"]["p50"],
    )


def _records(sender: dict[str, Any], receiver: dict[str, Any], origin_us: int) -> list[FrameRecord]:
    sent = {one["captured_us"]: one for one in sender["sent"]}
    shown = {one["sequence"]: one for one in receiver["shown"]}
    budget_times = [one[0] for one in sender["budgets"]]
    records = []
    for index, captured_us in enumerate(sender["captured_us"]):
        at = bisect_left(budget_times, captured_us)
        reason = sender["budgets"][at][2] if at < len(budget_times) else "cpu"
        one = sent.get(captured_us)
        budget = one["budget"] if one else None
        seen = shown.get(one["sequence"]) if one else None
        records.append(
            FrameRecord(
                index=index,
                captured_us=captured_us - origin_us,
                budget_bytes=budget,
                reason=reason,
                size_bytes=one["size"] if one else None,
                keyframe=bool(one and one["keyframe"]),
                quality=one["quality"] if one else -1,
                arrived_us=seen["arrived_us"] - origin_us if seen else None,
                shown_us=seen["shown_us"] - origin_us if seen else None,
                psnr_db=one.get("psnr_db") if one else None,
                ssim_db=one.get("ssim_db") if one else None,
            )
        )
    return records


def _samples(
    path: _Path, sender: dict[str, Any], carried: list[tuple[int, int]], origin_us: int
) -> Iterator[Sample]:
    budgets = sender["budgets"]
    times = [one[0] for one in budgets]
    for (before_us, before), (at_us, total) in pairwise(carried):
        span_us = max(1, at_us - before_us)
        at = bisect_left(times, at_us) - 1
        estimate, rate = (budgets[at][3], budgets[at][4]) if at >= 0 else (0, 0)
        capacity = path.capacity_bytes(before_us - origin_us, at_us - origin_us)
        yield Sample(
            at_us=at_us - origin_us,
            capacity_bps=capacity * 8_000_000 // span_us,
            used_bps=(total - before) * 8_000_000 // span_us,
            queue_bytes=0,
            estimate_bps=estimate,
            rate_bps=rate,
        )
