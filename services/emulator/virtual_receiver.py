# SPDX-License-Identifier: Apache-2.0
"""Shell of a receiver in virtual time, around the core that the daemon runs: it dials, and waits.

Messages go over a model of TCP; a broken connection costs what it costs.
"""

from __future__ import annotations

from functools import partial

from services.emulator.ends import Line, Stage
from services.emulator.virtual_sender import VirtualSender
from services.protocol.intake import Results
from services.protocol.profile import Profile
from services.protocol.standby import Move, try_us
from services.protocol.train import Arrival
from services.receiver.core import ReceiverCore
from services.sender.core import TICK_US
from services.wire.endpoint import CONNECT_TIMEOUT_MS, RECONNECT_MS

# SYN, SYN-ACK, then ZMTP's greetings and READY commands: receiver's and sender's by turns.
HANDSHAKE_BYTES = (60, 60, 180, 180)
SYN_AGAIN_US = 1_000_000  # Linux: SYN is sent again after this time
_RECONNECT_US = 2000 * RECONNECT_MS  # at most
_SPARE_PAUSE_US = 1000 * RECONNECT_MS  # at least


class VirtualReceiver:
    """Dials, acknowledges and decodes."""

    def __init__(self, stage: Stage, sender: VirtualSender) -> None:
        self._clock, self._path, self._log = stage.clock, stage.path, stage.log
        self._options = stage.options
        self._sender = sender
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
        stage.clock.at(stage.start_us, self._dial)
        stage.clock.at(stage.start_us, self._tick)

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
        """Dial beside a silent connection until told to end."""
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
