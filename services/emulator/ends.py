# SPDX-License-Identifier: Apache-2.0
"""Shells of a sender and a receiver in virtual time, around the cores that the daemons run.

They film, encode, decode and dial when the clock says so, and carry messages over a model of TCP.
What is sent when, to whom and how large is decided where it always is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

from services.emulator.footage import Footage, RememberingCodec
from services.emulator.report import FrameRecord
from services.emulator.virtual import VirtualClock, VirtualConnection, VirtualPath
from services.media.scaling import fitted
from services.protocol import messages as m
from services.protocol.broadcast import Answers
from services.protocol.intake import Profile, Results
from services.protocol.offer import Offer
from services.protocol.planner import Plan, Rules
from services.protocol.standby import Move, try_us
from services.protocol.train import Arrival
from services.rate.congestion import CongestionController, Tuning
from services.receiver.core import ReceiverCore
from services.sender.coder import Coded
from services.sender.core import TICK_US, Encode, Outgoing, SenderCore, SenderSetup, Span
from services.wire.endpoint import CONNECT_TIMEOUT_MS, RECONNECT_MS

# SYN, SYN-ACK, then ZMTP's greetings and READY commands: receiver's and sender's by turns.
HANDSHAKE_BYTES = (60, 60, 180, 180)
RESET_BYTES = 60
SYN_AGAIN_US = 1_000_000  # Linux: the first answer to a connection is waited for that long
_RECONNECT_US = 2000 * RECONNECT_MS  # at most
_SPARE_PAUSE_US = 1000 * RECONNECT_MS  # at least


@dataclass(frozen=True, slots=True)
class EndOptions:
    """What the two ends are told. Capture and encoding take the time they are told to take."""

    frame_interval_us: int
    encode_us: int
    decode_us: int
    adapts: bool
    quality: int | None
    min_bytes: int
    max_bytes: int
    tuning: Tuning | None
    ack_grid_us: int
    receiver_clock_us: Callable[[int], int]


class FrameLog:
    """What became of each captured frame."""

    def __init__(self) -> None:
        self.records: list[FrameRecord] = []
        self._of_sequence: dict[int, int] = {}

    def captured(self, now_us: int) -> int:
        """A frame's number."""
        self.records.append(FrameRecord(len(self.records), now_us, None, "cpu"))
        return len(self.records) - 1

    def set(self, index: int, **fields: object) -> None:
        """More is known about a frame."""
        self.records[index] = replace(self.records[index], **fields)  # type: ignore[arg-type]

    def sent(self, index: int, sequence: int) -> None:
        """It goes by this number on the way."""
        self._of_sequence[sequence] = index

    def seen(self, sequence: int, **fields: object) -> None:
        """It came to the receiver."""
        self.set(self._of_sequence[sequence], **fields)


class Line:
    """A connection that carries messages both ways."""

    def __init__(
        self,
        clock: VirtualClock,
        path: VirtualPath,
        *,
        to_receiver: Callable[[bytes], None],
        to_sender: Callable[[bytes], None],
    ) -> None:
        self._connection = VirtualConnection(clock, path, self._read)
        self._to_receiver = to_receiver
        self._to_sender = to_sender
        self._written = 0
        self._under_way: deque[tuple[int, bytes]] = deque()  # end in the stream, message

    def send(self, data: bytes) -> None:
        """A message from the sender."""
        size = len(data) + _framing_bytes(data)
        self._written += size
        # Noted first: writing may deliver at once on a link without delay.
        self._under_way.append((self._written, data))
        self._connection.write(size)

    def reply(self, data: bytes) -> None:
        """A message from the receiver."""
        size = len(data) + _framing_bytes(data)
        self._connection.reply(size, partial(self._to_sender, data))

    def close(self) -> None:
        """What is under way has no effect any more."""
        self._connection.close()

    def _read(self, position: int) -> None:
        while self._under_way and self._under_way[0][0] <= position:
            self._to_receiver(self._under_way.popleft()[1])


def _framing_bytes(data: bytes) -> int:
    return 2 if len(data) < 256 else 9  # ZMTP: flags and length


class VirtualSender:
    """Films, encodes and sends as its core says."""

    def __init__(
        self,
        clock: VirtualClock,
        path: VirtualPath,
        footage: Footage,
        options: EndOptions,
        *,
        log: FrameLog,
        start_us: int,
    ) -> None:
        self._clock = clock
        self._path = path
        self._footage = footage
        self._options = options
        self._log = log
        self.codec = RememberingCodec(footage.codec)
        first = footage.frame(0)
        self._size = first.width, first.height
        self.controller = self._make_controller()
        self._unused: CongestionController | None = self.controller
        self.core = SenderCore(
            SenderSetup(
                Offer(
                    epoch=1,
                    stream="main",
                    model_hash=self.codec.model_hash,
                    self_test=self.codec.self_test(),
                    size=self.codec.size,
                    boot_id=b"",
                    frame_interval_us=options.frame_interval_us,
                ),
                self._size,
                Rules(quality=options.quality),
                adapts=options.adapts and footage.follows_steps,
            ),
            codec=self.codec,
            now_us=clock.now_us,
            congestion=self._take_controller,
        )
        self._lines: dict[bytes, Line] = {}
        self._closings: dict[bytes, Callable[[], None]] = {}
        self._numbers = count(1)
        self._busy = False
        self._waiting: int | None = None  # the newest frame, while another is encoded
        clock.at(start_us, self._capture)
        clock.at(start_us, self._tick)

    @property
    def resolution_changes(self) -> int:
        return self.core.resolution_changes

    def accept(self, line: Line, closed: Callable[[], None]) -> bytes:
        """A receiver connected; `closed` tells it when this end cuts the connection."""
        peer = b"%d" % next(self._numbers)
        self._lines[peer] = line
        self._closings[peer] = closed
        return peer

    def message(self, peer: bytes, data: bytes) -> None:
        """A receiver said something."""
        if peer in self._lines:
            self._act(self.core.messages([(peer, data)], self._clock.now_us))

    def _tick(self) -> None:
        self._act(self.core.messages([], self._clock.now_us))
        self._clock.at(self._clock.now_us + TICK_US, self._tick)

    def _act(self, answers: Answers) -> None:
        for peer, _why in answers.cuts:
            line, closed = self._lines.pop(peer, None), self._closings.pop(peer, None)
            if line is not None and closed is not None:
                self._path.up.send(RESET_BYTES, closed)
        for peer, data in answers.messages:
            if peer in self._lines:
                self._lines[peer].send(data)

    def _capture(self) -> None:
        now = self._clock.now_us
        self._clock.at(now + self._options.frame_interval_us, self._capture)
        index = self._log.captured(now)
        self.core.captured(now)
        if not self._busy:
            self._begin(index)
            return
        if self._waiting is not None:
            self.core.replaced(now)
        self._waiting = index

    def _begin(self, index: int) -> None:
        now = self._clock.now_us
        encode = self.core.plan(width=self._size[0], height=self._size[1], now_us=now)
        if encode is None:
            self._log.set(index, reason=self.core.skip_reason)
            return
        self._busy = True
        frame = fitted(self._footage.frame(index), encode.width, encode.height)
        plan = encode.plans[0]  # of one receiver there is no other
        coded = self.core.encode(frame, plan)
        self._log.set(index, budget_bytes=self.codec.budget_bytes, reason=plan.reason)
        if coded is not None:
            shown = self._footage.measure(index, coded.reference.frame, coded.quality)
            self._log.set(index, psnr_db=shown.psnr_db, ssim_db=shown.ssim_db)
        self._clock.at(
            now + self._options.encode_us, partial(self._end, index, encode, plan, coded, now)
        )

    def _end(
        self, index: int, encode: Encode, plan: Plan, coded: Coded | None, start_us: int
    ) -> None:
        now = self._clock.now_us
        self._busy = False
        span = Span(self._log.records[index].captured_us, start_us, now)
        out = self.core.coded(encode, plan, coded, span=span)
        if out is not None and coded is not None:
            self._log.set(
                index,
                size_bytes=len(out.packet),
                keyframe=coded.keyframe,
                quality=coded.quality,
                handed_us=now,
            )
            self._log.sent(index, out.sequence)
            self._send(out)
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._begin(waiting)

    def _send(self, out: Outgoing) -> None:
        now = self._clock.now_us
        for peer in out.peers:
            head, rest = self.core.train(out, now_us=now)
            line = self._lines.get(peer)
            if line is None:
                self.core.not_taken(peer, head, now, gone=True)
                continue
            self.core.handed_over(peer, head, now)
            for message in (head, rest):
                if message is not None:
                    line.send(m.pack(message))

    def _make_controller(self) -> CongestionController:
        return CongestionController(
            frame_interval_us=self._options.frame_interval_us,
            min_bytes=self._options.min_bytes,
            max_bytes=self._options.max_bytes,
            tuning=self._options.tuning,
        )

    def _take_controller(self) -> CongestionController:
        if self._unused is None:
            self.controller = self._make_controller()
        self._unused = None
        return self.controller


class VirtualReceiver:
    """Dials, acknowledges and decodes."""

    def __init__(
        self,
        clock: VirtualClock,
        path: VirtualPath,
        sender: VirtualSender,
        options: EndOptions,
        *,
        log: FrameLog,
        start_us: int,
    ) -> None:
        self._clock = clock
        self._path = path
        self._sender = sender
        self._options = options
        self._log = log
        codec = sender.codec
        self._core = ReceiverCore(
            Profile(codec.model_hash, codec.self_test(), "", "virtual", 1, b""),
            connects=True,
            codec=codec,
            now_us=self._time_us(),
        )
        self._line: Line | None = None
        self._attempt = 0
        self._spare_since = 0  # counts the moves of the second connection
        self._free_us = 0  # when the decoder is
        self.connections = 0
        clock.at(start_us, self._dial)
        clock.at(start_us, self._tick)

    def _time_us(self) -> int:
        return self._options.receiver_clock_us(self._clock.now_us)

    # -- connecting

    def _dial(self) -> None:
        self._attempt += 1
        now, attempt = self._clock.now_us, self._attempt
        for wait_us in (0, SYN_AGAIN_US):
            self._clock.at(now + wait_us, partial(self._shake, attempt, 0))
        self._clock.at(now + 1000 * CONNECT_TIMEOUT_MS, partial(self._give_up, attempt))

    def _shake(self, attempt: int, step: int) -> None:
        if attempt != self._attempt or self._line is not None:
            return
        if step == len(HANDSHAKE_BYTES):
            self._connected()
            return
        wire = self._path.up if step % 2 else self._path.down
        wire.send(HANDSHAKE_BYTES[step], partial(self._shake, attempt, step + 1))

    def _give_up(self, attempt: int) -> None:
        if attempt == self._attempt and self._line is None:
            self._clock.at(self._clock.now_us + _RECONNECT_US, self._dial)

    def _try_spare(self, since: int) -> None:
        """Dial beside a silent line until that is told to end."""
        if since == self._spare_since:
            self._shake_spare(since, 0)
            again_us = try_us(self._core.intake.round_trip_us) + _SPARE_PAUSE_US
            self._clock.at(self._clock.now_us + again_us, partial(self._try_spare, since))

    def _shake_spare(self, since: int, step: int) -> None:
        if since != self._spare_since:
            return
        if step == len(HANDSHAKE_BYTES):
            self._core.spare_connected(self._time_us())
            return
        wire = self._path.up if step % 2 else self._path.down
        wire.send(HANDSHAKE_BYTES[step], partial(self._shake_spare, since, step + 1))

    def _connected(self) -> None:
        self.connections += 1
        peers: list[bytes] = []
        line = Line(
            self._clock,
            self._path,
            to_receiver=lambda data: self._heard(line, data),
            to_sender=lambda data: self._sender.message(peers[0], data),
        )
        peers.append(self._sender.accept(line, partial(self._closed, line)))
        self._line = line
        self._act(self._core.connected(self._time_us()))

    def _closed(self, line: Line) -> None:
        if line is self._line:
            self._core.disconnected(self._time_us())
            self._hang_up()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None
        self._clock.at(self._clock.now_us + _RECONNECT_US, self._dial)

    # -- messages

    def _tick(self) -> None:
        self._act(self._core.tick(self._time_us()))
        self._clock.at(self._clock.now_us + TICK_US, self._tick)

    def _heard(self, line: Line, data: bytes) -> None:
        if line is self._line:
            self._act(self._core.message(b"", data, self._time_us(), encrypted=False))

    def _act(self, results: Results) -> None:
        grid = self._options.ack_grid_us
        now = self._clock.now_us
        for _, data in results.messages:
            if grid and now % grid:
                self._clock.at(now + -now % grid, partial(self._reply, self._line, data))
            else:
                self._reply(self._line, data)
        for arrival in results.arrivals:
            self._arrived(arrival)
        if results.standby is not None:
            self._spare_since += 1
            if results.standby is Move.OPEN:
                self._try_spare(self._spare_since)
        if results.standby is Move.TAKE:
            if self._line is not None:
                self._line.close()
            self._connected()
        elif results.rebuild:
            self._hang_up()

    def _reply(self, line: Line | None, data: bytes) -> None:
        if line is not None and line is self._line:
            line.reply(data)

    # -- frames

    def _arrived(self, arrival: Arrival) -> None:
        now = self._clock.now_us
        self._log.seen(arrival.head.sequence, arrived_us=now)
        begin_us = max(now, self._free_us)
        self._free_us = begin_us + self._options.decode_us
        told_us = self._options.receiver_clock_us(begin_us)
        self._clock.at(self._free_us, partial(self._decoded, arrival, told_us))

    def _decoded(self, arrival: Arrival, start_us: int) -> None:
        result = self._core.decode(arrival.packet)
        now = self._time_us()
        self._act(self._core.decoded(arrival, result, start_us=start_us, end_us=now))
        due = self._core.due(now)
        if due.item is not None:
            self._log.seen(due.item.arrival.head.sequence, shown_us=self._clock.now_us)
            _, results = self._core.shown(due.item, begin_us=now, end_us=now)
            self._act(results)
        for ready in due.superseded:
            self._act(self._core.superseded(ready, now))
