# SPDX-License-Identifier: Apache-2.0
"""Chains of real packets without pictures in them, and receivers that take them at once."""

from __future__ import annotations

from collections.abc import Iterator

from services.protocol import messages as m
from services.protocol.fanout import Fanout
from services.protocol.train import Arrival, split
from streamcodec.bitstream import PacketHeader, digest_after, pack

MODEL = b"model123"
EPOCH = 77
FRAME_US = 33_000


def welcome(*, epoch: int = EPOCH, stream: str = "main") -> m.Welcome:
    return m.Welcome(epoch, stream, MODEL, b"", "S", 64, 48, FRAME_US, b"")


def packets(count: int, *, keyframes: frozenset[int] = frozenset({0})) -> Iterator[bytes]:
    """Packets of one chain, a keyframe at each of these numbers."""
    digest = b""
    for number in range(count):
        keyframe = number in keyframes
        size = (64, 48) if keyframe else (0, 0)
        packet = pack(
            PacketHeader(keyframe, 20, 0, MODEL if keyframe else digest, *size),
            number.to_bytes(4, "big"),
        )
        digest = digest_after(packet, b"" if keyframe else digest)
        yield packet


def arrival(packet: bytes, sequence: int, *, at_us: int, epoch: int = EPOCH) -> Arrival:
    head, _ = split(
        packet,
        epoch=epoch,
        sequence=sequence,
        captured_us=at_us,
        encode_start_us=at_us,
        encode_end_us=at_us,
        sent_us=at_us,
    )
    return Arrival(head, packet, at_us, at_us)


def hello(*, instance: int = 1, stream: str = "", model: bytes = MODEL) -> m.Hello:
    return m.Hello((m.VERSION,), model, b"", stream, f"viewer-{instance}", instance, b"")


class Taker:
    """Receivers of a fan-out that acknowledge and show at once. The screens of the `stalled` stand
    still; to the `deaf` nothing comes through."""

    def __init__(self, fanout: Fanout) -> None:
        self.fanout = fanout
        self.got: dict[bytes, list[int]] = {}
        self.stalled: set[bytes] = set()
        self.deaf: set[bytes] = set()

    def join(self, peer: bytes, now_us: int, *, relay: bool = False) -> None:
        number = len(self.got) + 1
        greeting = hello(instance=number, model=b"" if relay else MODEL)
        self.fanout.on_message(peer, greeting, now_us)
        self.fanout.on_message(peer, m.Ready(EPOCH), now_us)
        self.got[peer] = []

    def take(self, now_us: int) -> None:
        """Hand out all that is due."""
        while due := self.fanout.due(now_us):
            for outgoing in due:
                head = outgoing.head
                if outgoing.peer in self.deaf:
                    continue
                self.got[outgoing.peer].append(head.sequence)
                ack = m.FrameAck(EPOCH, head.sequence, head.size_bytes, now_us, now_us)
                self.fanout.on_message(outgoing.peer, ack, now_us)
                if outgoing.peer not in self.stalled:
                    self.show(outgoing.peer, now_us)

    def show(self, peer: bytes, now_us: int) -> None:
        """The last frame that a receiver got comes on its screen."""
        shown = m.FrameShown(
            EPOCH, self.got[peer][-1], m.Outcome.SHOWN, 0, m.MAX_SPAN_US, 0, 0, 0, 1
        )
        self.fanout.on_message(peer, shown, now_us)

    def live(self, now_us: int) -> None:
        """All show that they are there."""
        for peer in self.got:
            self.fanout.on_message(peer, m.Ping(1, now_us), now_us)

    def ask(self, peer: bytes, reason: m.KeyframeReason, now_us: int) -> None:
        self.fanout.on_message(peer, m.KeyframeRequest(EPOCH, 1, reason), now_us)
