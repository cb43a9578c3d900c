# SPDX-License-Identifier: Apache-2.0
"""What the two ends of a simulated stream share: options, the connection, what became of frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from services.emulator.report import FrameRecord
from services.emulator.virtual import VirtualClock, VirtualConnection, VirtualPath
from services.rate.tuning import Tuning


@dataclass(frozen=True, slots=True)
class EndOptions:
    """Options of the two ends. Capture and encoding take the time that is set here."""

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


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the two ends of a stream are, and since when."""

    clock: VirtualClock
    path: VirtualPath
    options: EndOptions
    log: FrameLog
    start_us: int


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
        """It was sent under this sequence number."""
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
        """Drop what is under way."""
        self._connection.close()

    def _read(self, position: int) -> None:
        while self._under_way and self._under_way[0][0] <= position:
            self._to_receiver(self._under_way.popleft()[1])


def _framing_bytes(data: bytes) -> int:
    return 2 if len(data) < 256 else 9  # ZMTP: flags and length
