# SPDX-License-Identifier: Apache-2.0
"""Tells systemd that a service is ready, how it does, and that frames move (sd_notify protocol).

The watchdog is fed by progress of frames, not by a turning loop: a process whose decoder hangs is
restarted although its threads answer. A source that is gone and opened again and again is no
reason to restart: a new process could do no more. Outside systemd all this does nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_STATUS_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Progress:
    """Frames that a service has received and finished so far.

    `must_move`: not even a pause of what comes in is an excuse (a sender's camera).
    """

    taken: int
    done: int
    must_move: bool = False


def progress_of(counted: Mapping[str, object]) -> Progress:
    """From what a sender, receiver or relay counted (`as_json`)."""

    def number(name: str) -> int:
        value = counted.get(name, 0)
        return value if isinstance(value, int) else 0

    role = counted.get("role")
    if role == "sender":
        done = number("framesEncoded") + number("framesSkipped") + number("framesIdle")
        done += number("sourceAttempts")  # opening a lost source again is progress
        # A replay whose next packet is not due, or a time lapse between two of its frames, waits.
        since, interval = counted.get("sinceLastCapture_s"), counted.get("frameInterval_s")
        between = (
            isinstance(since, int | float)
            and isinstance(interval, int | float)
            and since <= 3 * interval
        )
        must_move = not counted.get("sourceWaits") and not between
        return Progress(number("framesCaptured"), done, must_move=must_move)
    if role == "receiver":
        return Progress(number("framesReceived"), number("framesDecoded") + number("framesDropped"))
    return Progress(number("framesReceived"), number("framesReceived"))


class Watchdog:
    """Decides whether to feed: something got done, or nothing was there to do; pure."""

    def __init__(self) -> None:
        self._last: Progress | None = None

    def feeds(self, now: Progress) -> bool:
        """True when all is well since the last call."""
        last, self._last = self._last, now
        if last is None or now.done != last.done:
            return True
        return not now.must_move and now.taken == last.taken


class Notifier:
    """A service's line to systemd. `environ` gives NOTIFY_SOCKET and WATCHDOG_USEC."""

    def __init__(self, environ: Mapping[str, str], *, clock_us: Callable[[], int]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        usec = environ.get("WATCHDOG_USEC", "")
        self._feed_us = int(usec) // 3 if usec.isdecimal() else 0
        self._clock_us = clock_us
        self._watchdog = Watchdog()
        self._fed_us = self._told_us = clock_us()

    def ready(self) -> None:
        """The service works from now on."""
        self._send("READY=1")

    def stopping(self) -> None:
        """It is about to end."""
        self._send("STOPPING=1")

    def look(self, counted: Callable[[], Mapping[str, object]]) -> None:
        """Feed the watchdog and tell the status where it is time; call a few times a second."""
        if not self._address:
            return
        now = self._clock_us()
        feed = self._feed_us > 0 and now - self._fed_us >= self._feed_us
        tell = now - self._told_us >= _STATUS_US
        if not feed and not tell:
            return
        found = counted()
        if feed:
            self._fed_us = now
            if self._watchdog.feeds(progress_of(found)):
                self._send("WATCHDOG=1")
        if tell:
            self._told_us = now
            rate = found.get("kbps", found.get("kbpsSent", 0))
            self._send(f"STATUS={found.get('fps', 0)} frames/s, {rate} kbit/s")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as line:
                line.sendto(text.encode(), address)
        except OSError:
            return  # systemd notices silence by itself
