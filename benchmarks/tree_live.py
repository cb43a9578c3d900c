# SPDX-License-Identifier: Apache-2.0
"""Relays as real processes, measured and compared with the model: `python -m benchmarks.tree_live`.

`load`: processor, memory and bytes of one relay for its viewers. `chain`: one relay behind an
emulated link gives the constant of a hop; with it the model of `tree_model` predicts the latency at
each depth of three relays in a row, which is then measured. The sender is a replay, so that every
run has the same packets.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.machine import describe
from benchmarks.steady_codec import MODEL, PICTURE, Material, SteadyCodec
from benchmarks.tree import spread_ms
from benchmarks.tree_model import Book, Clockwork, Costs, EmulatedWire, Node
from benchmarks.tree_nodes import RelayNode, SenderNode, ViewerNode
from services.demo.supervisor import free_port
from services.emulator.profile import Profile
from services.emulator.profile_file import load_profile
from streamcodec.container import FileHeader, ScvWriter

FPS = 30
MATERIAL = Material(fps=FPS, encode_us=0, keyframe_every=60)
QUIET_US = 60_000  # of a viewer next to the sender, 95th percentile: above it processes starve
_TAPE_S = 60
_START_US = 10_000_000
LINK = """
[link]
name = "hop"
[up]
rate = "{kbps} kbit/s"
delay_ms = {delay_ms}
queue = {{ bytes = 1_000_000 }}
"""


def write_tape(path: Path) -> None:
    """A minute of packets of the material's sizes; nobody decodes them."""
    codec, reference = SteadyCodec(MATERIAL), None
    with ScvWriter.create(path, FileHeader(codec.size, MODEL, Fraction(FPS))) as writer:
        for number in range(_TAPE_S * FPS):
            before = reference if number % MATERIAL.keyframe_every else None
            encoded = codec.encode(PICTURE, before)
            reference = encoded.reference
            assert encoded.packet is not None
            writer.write(encoded.packet, timestamp_us=number * 1_000_000 // FPS)


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command of the product, ended by a signal."""
    running = subprocess.Popen(
        [sys.executable, "-m", "services.cli", *arguments],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.terminate()
        running.communicate(timeout=20)


def address() -> str:
    """A free one on loopback."""
    return f"tcp://127.0.0.1:{free_port()}"


def watch(
    urls: Sequence[str], *, viewers: int, seconds: float, settle_s: float = 3.0
) -> dict[str, list[list[int]]]:
    """Latencies of viewers of each address, in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.tree_viewers", *urls]
    command += ["--count", str(viewers), "--seconds", str(seconds), "--settle", str(settle_s)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, list[list[int]]] = json.loads(done.stdout)
    return found


def load(tape: Path, counts: Sequence[int], seconds: float) -> list[dict[str, object]]:
    """One relay with more and more viewers."""
    rows: list[dict[str, object]] = []
    for viewers in counts:
        sender_url, relay_url = address(), address()
        stats = tape.with_name(f"stats-{viewers}.jsonl")
        with ExitStack() as stack:
            replay = ("send", "--source", str(tape), "--loop", "--bind", sender_url)
            sender = stack.enter_context(process(*replay))
            relay = stack.enter_context(
                process(
                    *("relay", "--connect", sender_url, "--bind", relay_url),
                    *("--stats", str(stats)),
                )
            )
            ends = [relay.pid, sender.pid]
            urls = (relay_url, sender_url) if viewers == 1 else (relay_url,)
            watching = subprocess.Popen(
                [
                    *(sys.executable, "-m", "benchmarks.tree_viewers", *urls),
                    *("--count", str(viewers), "--settle", "3", "--seconds", str(seconds + 4)),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            _wait_for_viewers(relay, stats, viewers)
            time.sleep(4.0)
            before, sent = [_cpu_s(end) for end in ends], -_wire_bytes(stats)
            began_s = time.monotonic()
            time.sleep(seconds)
            spent = [_cpu_s(end) - was for end, was in zip(ends, before, strict=True)]
            sent += _wire_bytes(stats)
            took_s = time.monotonic() - began_s
            memory_kb = _own_memory_kb(relay.pid)
            latencies = json.loads(watching.communicate()[0])
        at_relay = [value for one in latencies[relay_url] for value in one]
        frames = len(at_relay) / (seconds + 4)
        row: dict[str, object] = {
            "viewers": viewers,
            "frames_out_per_s": round(frames, 1),
            "relay_cores": round(spent[0] / took_s, 4),
            "us_per_frame": round(spent[0] / took_s / frames * 1e6, 1),
            "sender_cores": round(spent[1] / took_s, 4),
            "wire_bytes_per_viewer_s": round(sent / took_s / viewers),
            "relay_memory_mb": round(memory_kb / 1000, 1),
            "latency_ms": spread_ms(at_relay),
        }
        if viewers == 1:
            direct = [value for one in latencies[sender_url] for value in one]
            row["latency_at_sender_ms"] = spread_ms(direct)
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def chains(
    tape: Path, profile: Path, lengths: Sequence[int], seconds: float
) -> list[list[list[int]]]:
    """Latencies at the sender and at each relay of chains of relays, with a link before each.

    All chains run at the same time, each with its own sender, so that other load of the machine
    affects all equally.
    """
    rows: list[list[str]] = []
    with ExitStack() as stack:
        for relays in lengths:
            urls = [address()]
            replay = ("send", "--source", str(tape), "--loop", "--bind", urls[0])
            stack.enter_context(process(*replay))
            for _ in range(relays):
                link_url, relay_url = address(), address()
                link = ("link", "--listen", link_url, "--connect", urls[-1])
                stack.enter_context(process(*link, "--profile", str(profile)))
                stack.enter_context(process("relay", "--connect", link_url, "--bind", relay_url))
                urls.append(relay_url)
            rows.append(urls)
        found = watch([url for urls in rows for url in urls], viewers=1, seconds=seconds)
    return [[found[url][0] for url in urls] for urls in rows]


def predicted(profile: Profile, *, relays: int, hop_us: int, seconds: float) -> list[list[int]]:
    """The same in the model; `hop_us` is the delay that relay and emulator add to the link."""
    clockwork, book = Clockwork(), Book()
    clockwork.run(_START_US)
    free = Costs(wake_us=0, message_us=0, handout_us=0)
    nodes: list[Node] = [SenderNode(clockwork, free, book, MATERIAL)]
    for number in range(1, relays + 1):
        up = EmulatedWire(profile.up, seed=number, ends_us=hop_us)
        down = EmulatedWire(profile.down, seed=number)
        parent = nodes[-1]
        nodes.append(
            RelayNode(
                clockwork,
                free,
                book,
                number=number,
                depth=number,
                parents=lambda parent=parent, up=up, down=down: (parent, up, down),  # type: ignore[misc]
            )
        )
    for number, node in enumerate(nodes):
        viewer = ViewerNode(clockwork, book, number=number, delay_us=0, decode_us=0)
        viewer.join(node, clockwork.now_us)
    clockwork.run(_START_US + 3_000_000)
    book.window_us = (clockwork.now_us, clockwork.now_us + round(seconds * 1e6))
    clockwork.run(book.window_us[1] + 2_000_000)
    return [list(book.latencies_us[depth]) for depth in range(relays + 1)]


def compare(
    tape: Path, folder: Path, *, kbps: int, delay_ms: int, seconds: float, attempts: int
) -> object:
    """Calibrate with one relay, predict a chain of three others, and measure it."""
    path = folder / "hop.toml"
    path.write_text(LINK.format(kbps=kbps, delay_ms=delay_ms), encoding="utf-8")
    profile = load_profile(str(path))
    for _ in range(attempts):
        one, real = chains(tape, path, (1, 3), seconds)
        if max(quantile_us(row[0], 95) for row in (one, real)) < QUIET_US:
            break
    else:
        raise RuntimeError("the machine was never quiet: what was measured is its scheduler")
    bare = predicted(profile, relays=1, hop_us=0, seconds=seconds)
    hop_us = round(
        (statistics.median(one[1]) - statistics.median(one[0]))
        - (statistics.median(bare[1]) - statistics.median(bare[0]))
    )
    model = predicted(profile, relays=3, hop_us=max(0, hop_us), seconds=seconds)
    rows = []
    for depth in range(4):
        # Both include the first leg, from the replay to a viewer next to it.
        ours = statistics.median(model[depth]) + statistics.median(one[0])
        theirs = statistics.median(real[depth])
        rows.append(
            {
                "depth": depth,
                "predicted_ms": round(ours / 1000, 2),
                "measured_ms": round(theirs / 1000, 2),
                "off_percent": round(100 * (ours / theirs - 1), 1),
                "measured": spread_ms(real[depth]),
                "predicted": spread_ms(model[depth]),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return {"kbps": kbps, "delay_ms": delay_ms, "hop_us": hop_us, "depths": rows}


def quantile_us(latencies_us: Sequence[int], percent: int) -> int:
    """The value that this share of the frames stayed below."""
    return sorted(latencies_us)[min(len(latencies_us) - 1, len(latencies_us) * percent // 100)]


def _last(stats: Path) -> dict[str, object]:
    """The newest line of a statistics file."""
    lines = stats.read_text(encoding="utf-8").splitlines() if stats.exists() else []
    found: dict[str, object] = json.loads(lines[-1]) if lines else {}
    return found


def _wire_bytes(stats: Path) -> int:
    sent = _last(stats).get("wireBytesSent", 0)
    return sent if isinstance(sent, int) else 0


def _wait_for_viewers(relay: subprocess.Popen[str], stats: Path, viewers: int) -> None:
    """Wait until a relay serves so many viewers."""
    while relay.poll() is None:
        there = _last(stats).get("viewers", [])
        if isinstance(there, list) and len(there) >= viewers:
            return
        time.sleep(0.2)
    raise RuntimeError("the relay ended early")


def _cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _own_memory_kb(pid: int) -> int:
    """Memory that no other process shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    own = [line.split() for line in lines if line.startswith("Private_")]
    return sum(int(fields[1]) for fields in own)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["load", "chain"])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--counts", default="1,10,20,40,80")
    parser.add_argument("--kbps", type=int, default=3000)
    parser.add_argument("--delay-ms", type=int, default=15)
    parser.add_argument("--attempts", type=int, default=1, help="until the machine is quiet")
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        tape = folder / "tape.scv"
        write_tape(tape)
        figures: object
        if wanted.what == "load":
            counts = [int(text) for text in wanted.counts.split(",")]
            figures = load(tape, counts, wanted.seconds)
        else:
            figures = compare(
                tape,
                folder,
                kbps=wanted.kbps,
                delay_ms=wanted.delay_ms,
                seconds=wanted.seconds,
                attempts=wanted.attempts,
            )
    text = json.dumps({"machine": describe(), "figures": figures}, indent=1)
    print(text)
    if wanted.json is not None:
        wanted.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
