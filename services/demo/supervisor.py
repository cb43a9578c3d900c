# SPDX-License-Identifier: Apache-2.0
"""Starts the processes of a demo, follows them, and stops them."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from threading import Event

from services.demo import worker
from services.demo.liveview import Show
from services.demo.messages import (
    STOP,
    Counted,
    Ended,
    Failed,
    Kept,
    KeptFrame,
    Message,
    Note,
    Started,
)
from services.demo.worker import CodecLoader
from services.errors import PeerLost, ServiceError
from services.measure.history import History, LinkState, Moment
from services.measure.stats import ReceiverSnapshot, SenderSnapshot
from services.settings.config import Settings

_TICK_S = 0.1
_SAMPLE_US = 200_000
_NO_PICTURE_S = 300.0
_DRAIN_S = 0.4  # frames under way reach the screen
_FAREWELL_S = 8.0


class _ProcessFailed(ServiceError):
    """A child's own sentence and exit code."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.sentence)
        self.exit_code = failed.exit_code


@dataclass(slots=True)
class Child:
    """A process, our end of its pipe, and its last messages."""

    role: str
    process: SpawnProcess
    pipe: Connection
    started: Started | None = None
    kept: tuple[KeptFrame, ...] = ()
    finished: bool = False


@dataclass(slots=True)
class Run:
    """What a demo measured: the last statistics of both ends, and their history."""

    sender: SenderSnapshot | None = None
    receiver: ReceiverSnapshot | None = None
    link: LinkState | None = None
    history: History = field(default_factory=History)
    psnr_db: list[float] = field(default_factory=list)
    seconds: float = 0.0
    start_s: float = 0.0  # from the call to the first picture
    size: str = ""
    device: str = ""
    sent: tuple[KeptFrame, ...] = ()
    shown: tuple[KeptFrame, ...] = ()

    def moment(self) -> Moment:
        """Both ends as they are now."""
        return Moment(time.monotonic_ns() // 1000, self.sender, self.receiver, self.link)


class Supervisor:
    """Runs a sender, a receiver and perhaps a link until the time is over or one of them ends."""

    def __init__(
        self,
        settings: Settings,
        *,
        seconds: float | None,
        load: CodecLoader,
        with_link: bool,
        say: Callable[[str], None],
        show: Show,
        stopped: Event,
    ) -> None:
        self._settings = settings
        self._seconds = seconds
        self._load = load
        self._with_link = with_link
        self._say = say
        self._show = show
        self._stopped = stopped
        self._run = Run()
        self._children: list[Child] = []
        self._begun_s = 0.0
        self._picture_s: float | None = None
        self._end: str | None = None
        self._last_psnr: float | None = None

    @property
    def pids(self) -> dict[str, int]:
        """Process numbers by role."""
        return {child.role: child.process.pid or 0 for child in self._children}

    def run(self) -> Run:
        """Start, follow and stop everything. Raises ServiceError with a child's own sentence."""
        self._begun_s = time.monotonic()
        try:
            self._start()
            self._follow()
            self._finish()
        finally:
            self._kill()
        return self._run

    def _start(self) -> None:
        sender_url = f"tcp://127.0.0.1:{free_port()}"
        link_url = f"tcp://127.0.0.1:{free_port()}" if self._with_link else sender_url
        base = self._settings
        sender = replace(base, sender=replace(base.sender, bind=sender_url, connect=None))
        receiver = replace(base, receiver=replace(base.receiver, bind=None, connect=link_url))
        self._spawn("sender", worker.send, sender)
        self._spawn("receiver", worker.receive, receiver)
        if self._with_link:
            link = replace(base, link=replace(base.link, listen=link_url, connect=sender_url))
            self._spawn("link", worker.link, link)

    def _spawn(
        self, role: str, target: Callable[[Connection, Settings, CodecLoader], None], own: Settings
    ) -> None:
        # A fresh interpreter: a fork would share torch's threads and ZeroMQ's sockets.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=target, args=(theirs, own, self._load), name=f"streamcodec {role}", daemon=True
        )
        process.start()
        theirs.close()
        self._children.append(Child(role, process, ours))

    def _follow(self) -> None:
        sampled_us = 0
        while not self._stopped.is_set() and self._end is None:
            self._listen(_TICK_S)
            moment = self._run.moment()
            if moment.at_us - sampled_us >= _SAMPLE_US:
                sampled_us = moment.at_us
                self._run.history.add(moment)
                self._tell_page(moment)
                self._show(moment, self._run.history.samples)
            now_s = time.monotonic()
            if self._picture_s is None:
                if now_s - self._begun_s > _NO_PICTURE_S:
                    raise PeerLost(f"no picture came within {_NO_PICTURE_S:.0f} s")
            elif self._seconds is not None and now_s - self._picture_s >= self._seconds:
                return

    def _tell_page(self, moment: Moment) -> None:
        """The receiver's process serves the page, which also shows the sender and the link."""
        if self._settings.receiver.view != "web":
            return
        for child in self._children:
            if child.role == "receiver" and child.started is not None and not child.finished:
                with contextlib.suppress(OSError):  # it ends; the next look at its pipe finds that
                    child.pipe.send(replace(moment, receiver=None))

    def _listen(self, timeout_s: float) -> None:
        """Take the children's messages, for at most this long."""
        open_pipes = [child.pipe for child in self._children if not child.finished]
        for ready in wait(open_pipes, timeout_s):
            child = next(c for c in self._children if c.pipe is ready)
            try:
                while child.pipe.poll(0):
                    self._take(child, child.pipe.recv())
            except (EOFError, OSError):
                child.finished = True
                if self._end is None and not child.kept:
                    self._died(child)

    def _died(self, child: Child) -> None:
        child.process.join(1.0)
        code = child.process.exitcode
        why = f"was killed by signal {-code}" if code is not None and code < 0 else "ended early"
        raise PeerLost(f"the {child.role} process {why}; nothing more can be shown")

    def _take(self, child: Child, message: Message) -> None:
        run = self._run
        match message:
            case Note(text):
                self._say(text)
            case Started():
                self._note_start(child, message)
            case Counted(SenderSnapshot() as snapshot):
                run.sender = snapshot
                if snapshot.psnr_db is not None and snapshot.psnr_db != self._last_psnr:
                    self._last_psnr = snapshot.psnr_db
                    run.psnr_db.append(snapshot.psnr_db)
            case Counted(ReceiverSnapshot() as snapshot):
                run.receiver = snapshot
                if self._picture_s is None and snapshot.frames_displayed:
                    self._picture_s = time.monotonic()
                    run.start_s = self._picture_s - self._begun_s
                    self._say(f"first picture after {run.start_s:.1f} s")
            case Counted(LinkState() as state):
                run.link = state
            case Ended(reason):
                self._end = self._end or reason
                self._say(reason)
            case Failed():
                raise _ProcessFailed(message)
            case Kept(frames):
                child.kept = frames
                if child.role == "sender":
                    run.sent = frames
                else:
                    run.shown = frames

    def _note_start(self, child: Child, started: Started) -> None:
        child.started = started
        self._run.size = started.size or self._run.size
        self._run.device = started.device or self._run.device

    def _finish(self) -> None:
        """Stop the sender, let frames under way arrive, then stop the others."""
        self._end = self._end or "done"
        self._run.seconds = time.monotonic() - (self._picture_s or time.monotonic())
        self._stop("sender")
        deadline = time.monotonic() + _DRAIN_S
        while time.monotonic() < deadline:
            self._listen(0.05)
        self._stop("receiver")
        self._stop("link")
        deadline = time.monotonic() + _FAREWELL_S
        while time.monotonic() < deadline and not all(c.finished for c in self._children):
            self._listen(0.05)

    def _stop(self, role: str) -> None:
        for child in self._children:
            if child.role == role and not child.finished:
                try:
                    child.pipe.send(STOP)
                except OSError:
                    child.finished = True

    def _kill(self) -> None:
        for child in self._children:
            child.process.join(0.5)
            if child.process.is_alive():
                child.process.terminate()
                child.process.join(2.0)
            if child.process.is_alive():
                child.process.kill()
                child.process.join(2.0)
            child.pipe.close()


def free_port() -> int:
    """A port of the loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
