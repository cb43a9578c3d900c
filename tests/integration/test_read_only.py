# SPDX-License-Identifier: Apache-2.0
"""The programs run where nothing can be written: as in the shipped containers.

A namespace of mounts of its own makes all that is mounted read-only, /tmp and /dev/shm too, which
is more than compose and Kubernetes do. There is no home folder. Skips where that may not be done.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
UNSHARE = shutil.which("unshare")
# Every mount is closed but those of the kernel.
_CLOSED = """
mount --make-rprivate / &&
grep -vE ' (proc|sysfs|devtmpfs|devpts|cgroup2?|mqueue|binfmt_misc|nsfs) ' /proc/self/mounts |
  cut -d ' ' -f 2 | sort -r | while read -r where; do
    mount -o remount,bind,ro "$where" 2>/dev/null || true
  done
! touch "$0" 2>/dev/null && cd / && exec "$@"
"""
_ENDS = """
import socket, subprocess, sys, time
command = [sys.executable, "-m", "services.cli"]
address = ["tcp://127.0.0.1:" + sys.argv[1]]
sender = subprocess.Popen(
    [*command, "send", "--source", "scene:160x96@10", "--bind", *address, "--seconds", "100"]
)
while sender.poll() is None:
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
        break
    except OSError:
        time.sleep(0.05)
receiver = [*command, "recv", "--connect", *address, "--view", "none", "--seconds", sys.argv[2]]
ended = subprocess.run([*receiver, "--patience", "50", "--json"])
sender.terminate()
sys.exit(ended.returncode or sender.wait())
"""


def closed(*command: str, timeout_s: float = 100.0) -> subprocess.CompletedProcess[str]:
    """Run Python where nothing can be written, with no home, no user's name and no terminal."""
    assert UNSHARE is not None
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C", "LC_ALL": "C"}
    rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return subprocess.run(
        [UNSHARE, *rights, "--mount", "sh", "-c", _CLOSED, str(ROOT / "closed"), *command],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
    )


def may_close() -> bool:
    """Whether this machine lets us have such a namespace."""
    return UNSHARE is not None and closed("true", timeout_s=20.0).returncode == 0


needs_namespace = pytest.mark.skipif(not may_close(), reason="no read-only namespace may be made")


@needs_namespace
def test_nothing_can_be_written_there() -> None:
    tried = closed(
        sys.executable,
        "-c",
        "import os, pathlib, sys\n"
        "for folder in ('/', '/var/lib', '/tmp', '/dev/shm', sys.argv[1]):\n"
        "    try:\n"
        "        pathlib.Path(folder, 'written').touch()\n"
        "    except OSError as error:\n"
        "        assert error.errno == 30, error\n"
        "    else:\n"
        "        sys.exit(folder)\n"
        "assert 'HOME' not in os.environ\n",
        str(ROOT),
    )
    assert tried.returncode == 0, tried.stderr


@needs_namespace
@pytest.mark.parametrize(
    "arguments",
    [
        ("relay", "--connect", "tcp://127.0.0.1:9", "--bind", "tcp://127.0.0.1:0", "--json"),
        ("link", "--listen", "127.0.0.1:0", "--connect", "127.0.0.1:9", "--json"),
    ],
    ids=["relay", "link"],
)
def test_what_passes_packets_on_starts_without_a_place_to_write(arguments: tuple[str, ...]) -> None:
    ran = closed(sys.executable, "-m", "services.cli", *arguments, "--seconds", "1")
    assert ran.returncode == 0, ran.stderr
    assert isinstance(json.loads(ran.stdout), dict)
    assert "Traceback" not in ran.stderr


@needs_namespace
@pytest.mark.timeout(180)
def test_a_stream_flows_without_a_place_to_write(unused_port: int) -> None:
    ran = closed(sys.executable, "-c", _ENDS, str(unused_port), "5", timeout_s=150.0)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["framesDisplayed"] > 0
    assert "Traceback" not in ran.stderr


@needs_namespace
@pytest.mark.timeout(180)
def test_the_doctor_finds_nothing_wrong_without_a_place_to_write() -> None:
    ran = closed(sys.executable, "-m", "services.cli", "doctor", "--no-speed", timeout_s=150.0)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
