# SPDX-License-Identifier: Apache-2.0
"""Every decision of a replay: the time and messages come in, what to send goes out; pure.

A recording is sent again, packet by packet as it was: same bytes, same timing. It begins with its
first receiver. Nothing is decoded, so nothing can be made smaller either. A receiver that cannot
take the packets in time gets them late; one that is five seconds behind goes on at the next
keyframe of the recording. Nobody ever gets a packet whose reference it lacks.

When a packet is due is decided in `protocol.tape`, who gets it in `protocol.fanout`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from services.errors import SourceError
from services.measure.stats import SenderSnapshot
from services.protocol import messages as m
from services.protocol.board import Board
from services.protocol.chain import Chain
from services.protocol.fanout import Fanout, Replies
from services.protocol.follower import RECORDED
from services.protocol.offer import Offer
from services.protocol.tape import Due, Record, Tape
from services.protocol.train import Arrival, split
from services.sender.counters import SenderCounters, SenderIdentity
from streamcodec.bitstream import read_header
from streamcodec.errors import StreamCodecError

if TYPE_CHECKING:
    from services.wire.endpoint import WatchedGate

MAX_CHAIN_BYTES = 64 * 1024 * 1024  # for receivers that join late: nothing else can serve them
_MAX_CHAIN_FRAMES = 1_000_000
_MAX_MESSAGES_PER_S = 20_000  # of one peer: it decodes a long chain as fast as it can
_SETTLE_US = RECORDED.behind_us  # at the end of a round, for what is under way


@dataclass(frozen=True, slots=True)
class ReplaySetup:
    """What a replay is made of. `file` names the recording in errors, `offer` all but the epoch,
    `size` is that of its first picture. With `loop` it begins again, each round as another
    epoch; `connects` for one that dials."""

    file: str
    offer: Offer
    size: tuple[int, int]
    loop: bool = False
    connects: bool = False
    name_of: Callable[[bytes], str | None] = lambda peer: None


class ReplayCore:
    """State of one replay. Not thread-safe: the caller holds a lock; `now_us` never decreases.

    `rounds` reads the recording from its beginning, `epochs` gives a new number for each round.
    Receivers are served through `board`.
    """

    def __init__(
        self,
        setup: ReplaySetup,
        *,
        rounds: Callable[[], Iterator[Record]],
        epochs: Callable[[], int],
        now_us: int,
    ) -> None:
        self._setup = setup
        self._offer = setup.offer
        self._size = setup.size
        self._epochs = epochs
        interval_us = setup.offer.frame_interval_us
        self._tape = Tape(rounds, frame_interval_us=interval_us)
        self._fanout = Fanout(
            boot_id=setup.offer.boot_id,
            name_of=setup.name_of,
            catch_up=RECORDED,
            chain=Chain(max_frames=_MAX_CHAIN_FRAMES, max_bytes=MAX_CHAIN_BYTES, keeps_past=True),
        )
        self.board = Board(
            [self._fanout], max_messages_per_s=_MAX_MESSAGES_PER_S, connects=setup.connects
        )
        self.counters = SenderCounters(SenderIdentity(setup.offer.stream, 0, now_us, interval_us))
        self.ended = False  # the recording is over, and all who watch have what they could get
        self._began = False
        self._sequence = 0
        self._settling_us: int | None = None  # since when the round waits for its last frames

    @property
    def next_us(self) -> int | None:
        """When the next packet is due; None while that depends on the receivers."""
        return self._tape.next_us

    def turn(self, now_us: int) -> Replies:
        """Hand what is due to the board and go on to the next round; messages for
        receivers. Raises SourceError where the recording is damaged."""
        replies = Replies()
        if not self._began:
            self._began = True
            replies.add(self._begin_round())
        for due in self._tape.pop_due(now_us):
            self._play(due, now_us)
        if self._tape.at_end and not self.ended:
            replies.add(self._between_rounds(now_us))
        return replies

    def farewell(self) -> tuple[m.ByeCode, str]:
        """The BYE for receivers, as of now."""
        if self.ended:
            return m.ByeCode.END_OF_STREAM, "the recording is over"
        return m.ByeCode.LEAVING, "the sender stops"

    def close(self) -> None:
        """Let go of the file."""
        self._tape.close()

    def snapshot(
        self, now_us: int, *, endpoint: str, gate: WatchedGate | None = None
    ) -> SenderSnapshot:
        """All statistics as of now; those of a sender that encodes nothing."""
        return self.counters.snapshot(
            self.board,
            endpoint=endpoint,
            width=self._size[0],
            height=self._size[1],
            now_us=now_us,
            source_waits=self.next_us is None or self.next_us > now_us,
            gate=gate,
        )

    # -- inside --------------------------------------------------------------------------------

    def _between_rounds(self, now_us: int) -> Replies:
        """Before the first round wait for a receiver, after the last one for what is under way."""
        if not self._sequence:
            if self._fanout.watching:
                self._tape.start(now_us)
            return Replies()
        if self._settling_us is None:
            self._settling_us = now_us
        if not self._fanout.is_settled and now_us - self._settling_us < _SETTLE_US:
            return Replies()
        self._settling_us = None
        if not self._setup.loop:
            self.ended = True
            return Replies()
        replies = self._begin_round()
        self._tape.start(now_us)
        return replies

    def _begin_round(self) -> Replies:
        self._offer = replace(self._offer, epoch=self._epochs())
        self._sequence = 0
        self.counters.began(self._offer.epoch)
        width, height = self._size
        return self._fanout.started(self._offer.welcome(width=width, height=height))

    def _play(self, due: Due, now_us: int) -> None:
        try:
            header = read_header(due.packet)
        except StreamCodecError as error:
            raise SourceError(f"{self._setup.file}: {error}") from None
        if len(due.packet) > m.MAX_PACKET_BYTES:
            raise SourceError(
                f"{self._setup.file}: a frame of {len(due.packet)} bytes cannot be sent, only "
                f"{m.MAX_PACKET_BYTES}; encode it at a lower quality"
            )
        if header.keyframe:
            self._size = (header.width, header.height)
        self._sequence = (self._sequence + 1) % 2**32
        head, _ = split(
            due.packet,
            epoch=self._offer.epoch,
            sequence=self._sequence,
            captured_us=due.at_us,
            encode_start_us=due.at_us,
            encode_end_us=due.at_us,
            sent_us=due.at_us,
        )
        arrival = Arrival(head, due.packet, due.at_us, due.at_us)
        self._fanout.arrived(arrival, captured_us=due.at_us)
        self.counters.repeated(
            len(due.packet), keyframe=header.keyframe, quality=header.quality, now_us=now_us
        )
