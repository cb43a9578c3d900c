# SPDX-License-Identifier: Apache-2.0
"""A test that leaves threads, sockets, ZeroMQ contexts or child processes behind fails; and only a
test of the live tier may sleep, or open a socket that others can reach."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq
from hypothesis import HealthCheck, settings

from streamcodec import _core

# A busy machine is no fault of what is tested: no example has a time limit.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# Whoever starts the suite in the background may have left these ignored, and children inherit that.
for _signal, _handler in (
    (signal.SIGHUP, signal.SIG_DFL),
    (signal.SIGINT, signal.default_int_handler),
):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, _handler)


_SETTLE_S = 2.0
_OURS = ("services.", "streamcodec.", "benchmarks.", "tests.")
_KEPT_BY_PYTHON = "resource_tracker"  # multiprocessing starts it once and keeps it


@pytest.fixture(params=_core.levels())
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each level of instructions that this machine has, in force for one test."""
    before = _core.level()
    _core.choose_level(request.param)
    yield request.param
    _core.choose_level(before)


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Compare what the process holds before and after; give closing threads a moment."""
    before = _held()
    yield
    deadline = time.monotonic() + _SETTLE_S
    left = _held() - before
    while left and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
        left = _held() - before
    assert not left, f"the test left behind: {', '.join(sorted(left))}"


@pytest.fixture(autouse=True)
def own_clock(
    nothing_left_behind: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the live tier nothing sleeps or opens a socket."""
    del nothing_left_behind  # it shall look last
    if any(mark.name in ("live", "soak") for mark in request.node.iter_markers()):
        return
    for owner, name in ((time, "sleep"), (zmq.Context, "socket"), (socket, "create_server")):
        monkeypatch.setattr(owner, name, _refused(name, getattr(owner, name)))


def _refused(name: str, real: Callable[..., object]) -> Callable[..., object]:
    """A stand-in that the standard library may call, as for a child's end, but none of ours."""

    def stand_in(*arguments: object, **named: object) -> object:
        caller = sys._getframe(1).f_globals["__name__"]
        assert not caller.startswith(_OURS), f"{caller} calls {name} in a test that is not live"
        return real(*arguments, **named)

    return stand_in


def _held() -> set[str]:
    return _threads() | _sockets() | _children()


def _threads() -> set[str]:
    return {f"thread {t.name} {t.ident}" for t in threading.enumerate() if t.is_alive()}


def _sockets() -> set[str]:
    """Open sockets, and the event descriptors that every ZeroMQ context holds."""
    folder = Path("/proc/self/fd")
    held = set()
    for entry in os.listdir(folder) if folder.is_dir() else ():
        try:
            target = os.readlink(folder / entry)
        except OSError:
            continue  # the descriptor of this very listing
        if target.startswith("socket:"):
            held.add(target)
        elif target in ("anon_inode:[eventfd]", "anon_inode:[eventpoll]"):
            held.add(f"{target} {entry}")
    return held


def _children() -> set[str]:
    held = set()
    for task in Path("/proc/self/task").glob("*/children"):
        try:
            pids = task.read_text(encoding="ascii").split()
        except OSError:
            continue  # the thread ended meanwhile
        for pid in pids:
            command = _command(pid)
            if command and _KEPT_BY_PYTHON not in command:
                held.add(f"child {pid} ({command[:60]})")
    return held


def _command(pid: str) -> str:
    """Command line of a process; "" for one that is gone or a zombie."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()
