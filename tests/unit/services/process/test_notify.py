# SPDX-License-Identifier: Apache-2.0
"""systemd is told of readiness and progress, and the watchdog starves when frames stand still."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.process.notify import Notifier, Progress, Watchdog, progress_of


@pytest.fixture
def line(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)
        yield receiver


def heard(line: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(line.recv(1000).decode())
        except BlockingIOError:
            return found


def test_a_service_says_that_it_is_ready_how_it_does_and_that_it_stops(line: socket.socket) -> None:
    now = [0]
    environ = {"NOTIFY_SOCKET": line.getsockname(), "WATCHDOG_USEC": "3000000"}
    notifier = Notifier(environ, clock_us=lambda: now[0])
    notifier.ready()
    now[0] = 1_100_000
    notifier.look(lambda: {"role": "sender", "framesEncoded": 5, "fps": 30.0, "kbps": 99.0})
    notifier.stopping()
    assert heard(line) == [
        "READY=1",
        "WATCHDOG=1",
        "STATUS=30.0 frames/s, 99.0 kbit/s",
        "STOPPING=1",
    ]


def test_a_sender_without_frames_starves_its_watchdog(line: socket.socket) -> None:
    now = [0]
    environ = {"NOTIFY_SOCKET": line.getsockname(), "WATCHDOG_USEC": "3000000"}
    notifier = Notifier(environ, clock_us=lambda: now[0])
    for _ in range(5):
        now[0] += 1_000_000
        notifier.look(lambda: {"role": "sender", "framesEncoded": 5})
    assert heard(line).count("WATCHDOG=1") == 1


def test_a_hanging_decoder_starves_the_watchdog_and_a_quiet_link_does_not() -> None:
    watchdog = Watchdog()
    assert watchdog.feeds(Progress(taken=10, done=10))
    assert watchdog.feeds(Progress(taken=10, done=10))
    assert not watchdog.feeds(Progress(taken=20, done=10))
    assert watchdog.feeds(Progress(taken=20, done=11))


def test_frames_skipped_on_purpose_are_progress() -> None:
    before = progress_of({"role": "sender", "framesCaptured": 9, "framesSkipped": 4})
    assert before == Progress(9, 4, must_move=True)
    assert progress_of({"role": "relay", "framesReceived": 3}) == Progress(3, 3)


def test_outside_systemd_nothing_is_said() -> None:
    notifier = Notifier({}, clock_us=lambda: 0)
    notifier.ready()
    notifier.look(lambda: pytest.fail("nobody listens"))


def test_a_socket_that_is_gone_disturbs_nobody(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "none")}, clock_us=lambda: 0).ready()


def test_a_replay_whose_next_packet_is_not_due_does_not_starve_it() -> None:
    watchdog = Watchdog()
    counted = {"role": "sender", "framesCaptured": 7, "framesEncoded": 7}
    for _ in range(3):
        assert watchdog.feeds(progress_of({**counted, "sourceWaits": True}))
    assert not watchdog.feeds(progress_of({**counted, "sourceWaits": False}))


def test_a_source_that_is_gone_and_looked_for_does_not_starve_it_and_one_that_hangs_does() -> None:
    """As docs/operations.md says: neither end restarts for an unplugged camera."""
    watchdog = Watchdog()
    counted = {"role": "sender", "framesCaptured": 7, "framesEncoded": 7}
    for attempts in range(1, 4):
        assert watchdog.feeds(progress_of({**counted, "sourceAttempts": attempts}))
    assert not watchdog.feeds(progress_of({**counted, "sourceAttempts": 3}))


def test_a_time_lapse_does_not_starve_it_between_two_of_its_frames() -> None:
    watchdog = Watchdog()
    counted = {"role": "sender", "framesEncoded": 7, "frameInterval_s": 60.0}
    for _ in range(2):
        assert watchdog.feeds(progress_of({**counted, "sinceLastCapture_s": 45.0}))
    assert not watchdog.feeds(progress_of({**counted, "sinceLastCapture_s": 181.0}))
