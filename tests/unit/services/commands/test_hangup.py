# SPDX-License-Identifier: Apache-2.0
"""SIGHUP ends no daemon that has lost no terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.commands.hangup import asked, catching_hangups

ROOT = Path(__file__).resolve().parents[4]
_WAITING = """
import time
from services.commands.hangup import asked, catching_hangups
with catching_hangups(["send"]):
    print("waiting", flush=True)
    for _ in range(600):
        time.sleep(0.1)
        if asked():
            print("asked", flush=True)
            break
"""


def test_a_hangup_is_asked_for_once() -> None:
    with catching_hangups(["recv", "--stay"]):
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        assert asked()
        assert not asked()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


@pytest.mark.parametrize("arguments", [[], ["encode", "a", "b"], ["--help"]])
def test_a_command_that_is_no_daemon_ends_as_ever(arguments: list[str]) -> None:
    with catching_hangups(arguments):
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


def test_what_nohup_ignores_stays_ignored() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with catching_hangups(["send"]):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


@pytest.mark.parametrize("terminal_goes", [False, True])
def test_it_ends_with_its_terminal_and_with_nothing_less(terminal_goes: bool) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _WAITING],
        stdin=theirs,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    os.close(theirs)
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == b"waiting\n"
        if terminal_goes:
            os.close(ours)
        process.send_signal(signal.SIGHUP)
        said = process.stdout.read()
    if not terminal_goes:
        os.close(ours)
    assert (said, process.returncode) == (
        (b"", -signal.SIGTERM) if terminal_goes else (b"asked\n", 0)
    )
