# SPDX-License-Identifier: Apache-2.0
"""Relay and replay on a manual clock, see `tests.manual`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from zlib import crc32

from services.protocol.board import Board
from services.protocol.fanout import Fanout, Replies
from services.protocol.intake import Results
from services.protocol.offer import Offer
from services.protocol.packing import pack, unpack
from services.protocol.profile import Profile
from services.protocol.tape import Record
from services.relay.core import FeedCore
from services.sender.core import TICK_US
from services.sender.replay_core import ReplayCore, ReplaySetup
from tests.fakes import FakeCodec
from tests.manual import BOOT, Clock, Downstream, Upstream


class _Serving:
    """Hands messages and packets to receivers."""

    def __init__(self) -> None:
        self._peers: dict[bytes, Callable[[bytes], None]] = {}

    def join(self, peer: bytes, deliver: Callable[[bytes], None]) -> None:
        """A receiver connects."""
        self._peers[peer] = deliver

    def _say(self, replies: Replies) -> None:
        for peer, message in replies.messages:
            self._peers[peer](pack(message))

    def _serve(self, serving: Fanout | Board, now_us: int) -> None:
        while due := serving.due(now_us):
            for out in due:
                for message in (out.head, out.rest):
                    if message is not None:
                        self._peers[out.peer](pack(message))


class ManualRelay(Downstream, _Serving):
    """Passes packets on."""

    def __init__(
        self,
        clock: Clock,
        upstream: Upstream,
        *,
        name: str = "relay",
        ahead_us: int = 0,
        boot_id: bytes = BOOT,
    ) -> None:
        Downstream.__init__(self, clock, name=name, ahead_us=ahead_us)
        _Serving.__init__(self)
        self.fanout = Fanout(boot_id=boot_id)
        self.core = FeedCore(
            Profile(b"", b"", "", name, crc32(name.encode()), boot_id),
            self.fanout,
            connects=True,
            now_us=self.now_us,
        )
        self.connect(upstream)
        self._tick()

    def disconnect(self) -> None:
        """The connection breaks."""
        self.core.disconnected(self.now_us)

    def hear(self, peer: bytes, data: bytes) -> None:
        """A receiver said something."""
        self._say(self.fanout.on_message(peer, unpack(data), self.now_us))
        self._serve(self.fanout, self.now_us)

    def _tick(self) -> None:
        self._act(self.core.tick(self.now_us))
        self._say(self.fanout.tick(self.now_us))
        self._act(self.core.request_keyframe(self.now_us))
        self._clock.at(self._clock.now_us + TICK_US, self._tick)

    def _act(self, results: Results) -> None:
        self._say(self.core.take_replies())
        super()._act(results)
        self._serve(self.fanout, self.now_us)


class ManualReplay(_Serving):
    """Sends a recording again."""

    def __init__(self, clock: Clock, records: Sequence[Record], *, loop: bool = False) -> None:
        super().__init__()
        self._clock = clock
        codec = FakeCodec()
        offer = Offer(0, "main", codec.model_hash, b"", "S", BOOT, 33_333)
        self.core = ReplayCore(
            ReplaySetup("tape.scv", offer, (64, 48), loop=loop),
            rounds=lambda: iter(records),
            epochs=count(1).__next__,
            now_us=self._clock.now_us,
        )
        self._tick()
        self._turn()

    def hear(self, peer: bytes, data: bytes) -> None:
        """A receiver said something."""
        self._say(self.core.board.on_message(peer, data, self._clock.now_us))
        self._serve(self.core.board, self._clock.now_us)

    def _tick(self) -> None:
        self._say(self.core.board.tick(self._clock.now_us))
        self._clock.at(self._clock.now_us + TICK_US, self._tick)

    def _turn(self) -> None:
        self._say(self.core.turn(self._clock.now_us))
        self._serve(self.core.board, self._clock.now_us)
        if self.core.ended:
            self._say(self.core.board.farewell(*self.core.farewell()))
            return
        self._clock.at(self.core.next_us or self._clock.now_us + TICK_US, self._turn)
