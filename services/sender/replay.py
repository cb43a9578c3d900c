# SPDX-License-Identifier: Apache-2.0
"""A recording sent again to any number of receivers: file, socket, thread around `ReplayCore`."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from services.errors import SourceError
from services.measure.events import StreamEvent
from services.measure.stats import SenderSnapshot
from services.process.clock import boot_id, now_us
from services.process.threads import Crew
from services.protocol.offer import Offer, frame_interval_us
from services.sender.replay_core import ReplayCore, ReplaySetup
from services.wire.endpoint import Endpoint, watched_gate
from services.wire.outlet import Outlet
from services.wire.transport import Port
from streamcodec.bitstream import read_header
from streamcodec.container import FileHeader, Record, ScvReader
from streamcodec.errors import StreamCodecError

_POLL_MS = 50


@dataclass(frozen=True, slots=True)
class ReplayConfig:
    """What to send and where. With `loop` the recording begins again, as another epoch."""

    path: Path
    endpoint: Endpoint
    stream: str = "main"
    loop: bool = False


class Replay:
    """Sends a recording to any number of receivers, from when the first of them is there.

    Errors: SourceError when the file is no recording, here, or damaged, from `wait`; ConfigError
    when the address cannot be used, at `start`.
    """

    def __init__(self, config: ReplayConfig, *, clock_us: Callable[[], int] = now_us) -> None:
        header, size = _opening(config.path)
        self._config = config
        self._now_us = clock_us
        self._lock = threading.Lock()
        self._port = Port(config.endpoint)
        connects = not config.endpoint.bind
        self._core = ReplayCore(
            ReplaySetup(
                str(config.path),
                Offer(
                    epoch=0,
                    stream=config.stream,
                    model_hash=header.model_hash,
                    self_test=b"",  # of the device that encoded: nobody knows it any more
                    size=header.size,
                    boot_id=boot_id(),
                    frame_interval_us=frame_interval_us(float(header.fps)),
                ),
                size,
                loop=config.loop,
                connects=connects,
                name_of=self._port.name_of,
            ),
            rounds=lambda: _records(config.path),
            epochs=lambda: secrets.randbits(32),
            now_us=clock_us(),
        )
        self._outlet = Outlet(
            self._port,
            self._core.board,
            tally=self._core.counters,
            connects=connects,
            lock=self._lock,
            clock_us=clock_us,
        )
        self._crew = Crew()

    @property
    def url(self) -> str:
        """The address in use; after binding to port 0, with the real port."""
        return self._port.url

    @property
    def ended(self) -> bool:
        """True once the recording is over and all who watch have what they could get."""
        return self._core.ended

    def start(self) -> None:
        """Open the socket and start the thread; returns at once."""
        self._port.open()
        self._crew.start("replay", self._work)

    def stop(self) -> None:
        """End the stream: say BYE, stop the thread, close the socket."""
        self._crew.stopping.set()
        self._port.wake()
        self._crew.join()
        self._port.close()
        self._core.close()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the recording is over or the time is; raises what broke the thread."""
        self._crew.wait(seconds, over=lambda: self._core.ended)

    def snapshot(self) -> SenderSnapshot:
        """All statistics as of now, immutable; those of a sender that encodes nothing."""
        with self._lock:
            return self._core.snapshot(
                self._now_us(),
                endpoint=self._port.url,
                gate=watched_gate(self._config.endpoint),
            )

    def events(self) -> tuple[StreamEvent, ...]:
        """The last events, oldest first."""
        return self.snapshot().events

    def _work(self) -> None:
        said_end = False
        while not self._crew.stopping.is_set():
            with self._lock:
                self._outlet.post(self._core.turn(self._now_us()))
                next_us = self._core.next_us
            wait_us = _POLL_MS * 1000 if next_us is None else next_us - self._now_us()
            self._outlet.turn(min(_POLL_MS, max(0, -(-wait_us // 1000))))
            if self._core.ended and not said_end:  # who comes later is told so as well
                said_end = True
                self._outlet.say_farewell(*self._core.farewell())
        if not said_end:
            self._outlet.say_farewell(*self._core.farewell())


def _opening(path: Path) -> tuple[FileHeader, tuple[int, int]]:
    """The header of a recording, and the size of its first picture. Raises SourceError."""
    try:
        with ScvReader(path) as reader:
            record = next(reader.records(), None)
            if record is None:
                raise SourceError(f"{path}: there is no frame in it")
            first = read_header(record.packet)
            return reader.header, (first.width, first.height)
    except (StreamCodecError, OSError) as error:
        raise SourceError(f"{path}: {_reason(error)}") from None


def _records(path: Path) -> Iterator[Record]:
    """The packets of a recording, one at a time. Raises SourceError where it is damaged."""
    number = 0
    try:
        with ScvReader(path) as reader:
            for record in reader.records():
                number = record.number
                yield record
    except (StreamCodecError, OSError) as error:
        raise SourceError(f"{path}: unreadable after frame {number} ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
