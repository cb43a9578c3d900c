# SPDX-License-Identifier: Apache-2.0
"""A recording sent again, packet by packet as it was: same bytes, same timing. Wiring only.

Nothing is decoded, so nothing can be made smaller either. A receiver that cannot take the packets
in time gets them late; one that is five seconds behind goes on at the next keyframe of the
recording. Nobody ever gets a packet whose reference it lacks. The decisions are in
`protocol.tape` (when) and `protocol.fanout` (to whom).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from services.errors import SourceError
from services.measure.events import StreamEvent
from services.measure.stats import SenderSnapshot
from services.process import logs
from services.process.clock import boot_id, now_us
from services.process.threads import Crew
from services.protocol import messages as m
from services.protocol.board import Board
from services.protocol.chain import Chain
from services.protocol.fanout import Fanout
from services.protocol.follower import RECORDED
from services.protocol.tape import Due, Tape
from services.protocol.train import Arrival, split
from services.sender.counters import SenderCounters, SenderIdentity
from services.wire.endpoint import watched_gate
from services.wire.outlet import Outlet
from services.wire.transport import Endpoint, Port
from streamcodec.bitstream import read_header
from streamcodec.container import FileHeader, Record, ScvReader
from streamcodec.errors import StreamCodecError

MAX_CHAIN_BYTES = 64 * 1024 * 1024  # for those who come late: nothing else can serve them
_MAX_CHAIN_FRAMES = 1_000_000
_MAX_MESSAGES_PER_S = 20_000  # of one peer: a long chain is taken as fast as it is decoded
_POLL_MS = 50
_SETTLE_US = RECORDED.behind_us  # at the end of a round, for what is under way


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
        self._config = config
        self._now_us = clock_us
        self._log = logs.get("replay")
        self._header, self._size = _opening(config.path)
        interval_us = round(1e6 / self._header.fps)
        self._interval_us = min(max(interval_us, 1_000), 60_000_000)
        self._tape = Tape(lambda: _records(config.path), frame_interval_us=self._interval_us)
        self._lock = threading.Lock()
        self._port = Port(config.endpoint)
        self._boot_id = boot_id()
        self._fanout = Fanout(
            boot_id=self._boot_id,
            name_of=self._port.name_of,
            catch_up=RECORDED,
            chain=Chain(max_frames=_MAX_CHAIN_FRAMES, max_bytes=MAX_CHAIN_BYTES, keeps_past=True),
        )
        self._board = Board(
            [self._fanout],
            max_messages_per_s=_MAX_MESSAGES_PER_S,
            knocks=not config.endpoint.bind,
        )
        self._counters = SenderCounters(
            SenderIdentity(config.stream, 0, clock_us(), self._interval_us)
        )
        self._outlet = Outlet(
            self._port,
            self._board,
            tally=self._counters,
            connects=not config.endpoint.bind,
            lock=self._lock,
            clock_us=clock_us,
        )
        self._crew = Crew()
        self._ended = threading.Event()
        self._epoch = 0
        self._sequence = 0
        self._settling_us: int | None = None  # since when the round waits for its last frames

    @property
    def url(self) -> str:
        """The address in use; after binding to port 0, with the real port."""
        return self._port.url

    @property
    def ended(self) -> bool:
        """True once the recording is over and all who watch have what they could get."""
        return self._ended.is_set()

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
        self._tape.close()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the recording is over or the time is; raises what broke the thread."""
        self._crew.wait(seconds, over=self._ended.is_set)

    def snapshot(self) -> SenderSnapshot:
        """All statistics as of now, immutable; those of a sender that encodes nothing."""
        with self._lock:
            return self._counters.snapshot(
                self._board,
                endpoint=self._port.url,
                width=self._size[0],
                height=self._size[1],
                now_us=self._now_us(),
                source_waits=self._tape.next_us is None or self._tape.next_us > self._now_us(),
                gate=watched_gate(self._config.endpoint),
            )

    def events(self) -> tuple[StreamEvent, ...]:
        """The last events, oldest first."""
        return self.snapshot().events

    # -- the thread ----------------------------------------------------------------------------

    def _work(self) -> None:
        with self._lock:
            self._begin_epoch()
        while not self._crew.stopping.is_set():
            with self._lock:
                now = self._now_us()
                for due in self._tape.pop_due(now):
                    self._send(due, now)
                if self._tape.at_end:
                    self._between_rounds(now)
                wait_us = (self._tape.next_us or now + _POLL_MS * 1000) - self._now_us()
            self._outlet.turn(min(_POLL_MS, max(0, -(-wait_us // 1000))))
            if self._ended.is_set():
                break
        if not self._ended.is_set():
            self._outlet.say_farewell(m.ByeCode.LEAVING, "the sender stops")
            return
        self._outlet.say_farewell(m.ByeCode.END_OF_STREAM, "the recording is over")
        while not self._crew.stopping.is_set():  # who comes after the end is told so
            self._outlet.turn(_POLL_MS)

    def _between_rounds(self, now: int) -> None:
        """Before the first round wait for a receiver, after the last one for what is under way."""
        if not self._sequence:
            if self._fanout.watching:
                self._tape.start(now)
            return
        if self._settling_us is None:
            self._settling_us = now
        if not self._fanout.is_settled and now - self._settling_us < _SETTLE_US:
            return
        self._settling_us = None
        if not self._config.loop:
            self._ended.set()
            return
        self._begin_epoch()
        self._tape.start(now)

    def _begin_epoch(self) -> None:
        self._epoch = secrets.randbits(32)
        self._sequence = 0
        self._counters.began(self._epoch)
        self._outlet.post(self._fanout.started(self._welcome()))

    def _welcome(self) -> m.Welcome:
        return m.Welcome(
            epoch=self._epoch,
            stream=self._config.stream,
            model_hash=self._header.model_hash,
            self_test=b"",  # of the device that encoded: nobody knows it any more
            size=self._header.size,
            width=self._size[0],
            height=self._size[1],
            frame_interval_us=self._interval_us,
            boot_id=self._boot_id,
        )

    def _send(self, due: Due, now: int) -> None:
        try:
            header = read_header(due.packet)
        except StreamCodecError as error:
            raise SourceError(f"{self._config.path}: {error}") from None
        if len(due.packet) > m.MAX_PACKET_BYTES:
            raise SourceError(
                f"{self._config.path}: a frame of {len(due.packet)} bytes cannot be sent, only "
                f"{m.MAX_PACKET_BYTES}; encode it at a lower quality"
            )
        if header.keyframe:
            self._size = (header.width, header.height)
        self._sequence = (self._sequence + 1) % 2**32
        head, _ = split(
            due.packet,
            epoch=self._epoch,
            sequence=self._sequence,
            captured_us=due.at_us,
            encode_start_us=due.at_us,
            encode_end_us=due.at_us,
            sent_us=due.at_us,
        )
        arrival = Arrival(head, due.packet, due.at_us, due.at_us)
        self._fanout.arrived(arrival, captured_us=due.at_us)
        self._counters.repeated(
            len(due.packet), keyframe=header.keyframe, quality=header.quality, now_us=now
        )


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
