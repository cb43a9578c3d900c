# SPDX-License-Identifier: Apache-2.0
"""One receiver as a relay knows it: its place in the chain; pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from services.protocol import messages as m
from services.protocol.chain import Chain, ChainedPacket
from services.protocol.credit import CreditWindow
from services.protocol.member import Member
from services.protocol.session import State
from services.protocol.viewer import REFERENCES_HELD

_OFTEN = 4  # requests within `_OFTEN_US`: a receiver that asks so often is slow or hostile
_OFTEN_US = 20_000_000


@dataclass(frozen=True, slots=True)
class CatchUp:
    """When a receiver leaves the chain for a newer keyframe.

    One whose next packet is older than `behind_us` waits for a keyframe that it has not had yet.
    With `jumps` it goes on at each new keyframe, however little it lags.
    """

    behind_us: int
    jumps: bool


LIVE = CatchUp(behind_us=500_000, jumps=True)
RECORDED = CatchUp(behind_us=5_000_000, jumps=False)  # late is better than not at all


class Follower(Member):
    """State of one receiver of a relay. Its capacity is not estimated."""

    def __init__(
        self,
        peer: bytes,
        hello: m.Hello,
        *,
        frame_interval_us: int,
        now_us: int,
        catch_up: CatchUp = LIVE,
        asker: bytes = b"",
    ) -> None:
        credit = CreditWindow(frame_interval_us=frame_interval_us)
        super().__init__(peer, hello, credit=credit, now_us=now_us, asker=asker)
        self.wants_keyframe = True
        self.fell_behind = False  # it needs a keyframe because it is slow: it gets fewer
        self._catch_up = catch_up
        self._next = 0
        self._floor = 0  # keyframes before this number are no use to it
        self._caught_up = False
        self._held: deque[bytes] = deque(maxlen=REFERENCES_HELD)
        self._requests_us: deque[int] = deque(maxlen=_OFTEN)

    def start_over(self, *, fell_behind: bool = False) -> None:
        """Its references are unknown: it goes on at a keyframe, the last one or the next."""
        self.wants_keyframe = True
        self.fell_behind = fell_behind
        self._caught_up = False
        self._floor = 0
        self._held.clear()

    def fall_behind(self) -> None:
        """It was too slow: it goes on at a keyframe that it has not had yet."""
        self.start_over(fell_behind=True)
        self._floor = self._next

    def requested(self, request: m.KeyframeRequest, *, now_us: int) -> None:
        """KEYFRAME_REQUEST. A person, or a relay for its viewers, wants a new one; who lacks the
        reference is served from the chain as well."""
        self.keyframe_requests += 1
        self._requests_us.append(now_us)
        # A receiver that asks again and again is slow or hostile: it must not cost the others.
        slow = len(self._requests_us) == _OFTEN and now_us - self._requests_us[0] < _OFTEN_US
        if request.reason is m.KeyframeReason.USER:
            self.asked = True
            self.fell_behind = slow
        else:
            self.start_over(fell_behind=slow)

    def waits_for_new(self, chain: Chain) -> bool:
        """True when it takes frames, and only a keyframe that the chain does not hold helps it."""
        if self.session.state is not State.STREAMING or not self.credit.open():
            return False
        return self.asked or (self.wants_keyframe and not self._is_useful(chain.keyframe))

    def is_settled(self, chain: Chain) -> bool:
        """True when nothing that it could show is under way or waits for it."""
        if self.session.state is not State.STREAMING:
            return True
        waits = self.wants_keyframe or chain.get(self._next) is None
        return waits and not self.credit.frames_in_flight

    def next_packet(
        self, chain: Chain, now_us: int, *, most_bytes: int | None = None
    ) -> ChainedPacket | None:
        """The packet it takes now, if it has credit and the chain has one that it can decode.

        `most_bytes` may be under way to it, where others share what there is.
        """
        if self.session.state is not State.STREAMING:
            return None
        keyframe = chain.keyframe
        if keyframe is not None and (
            (self.wants_keyframe and self._is_useful(keyframe))
            or (self._catch_up.jumps and self._next < keyframe)
        ):
            self.frames_skipped += max(0, keyframe - self._next) if self.frames_sent else 0
            self._next = keyframe
            self.wants_keyframe = self.fell_behind = False
        if self.wants_keyframe:
            return None
        packet = chain.get(self._next)
        if packet is None:
            if self._next < chain.start:
                self.fall_behind()
            else:
                self._caught_up = True
            return None
        # Checked last: most calls find nothing to send.
        if not self.credit.open(most_bytes=most_bytes):
            if self._caught_up and now_us - packet.arrived_us > self._catch_up.behind_us:
                self.fall_behind()
            return None
        if not packet.keyframe and packet.reference not in self._held:
            self.start_over()
            return None
        self.asked = self.asked and not packet.keyframe
        self._next += 1
        self._held.append(packet.digest)
        return packet

    def sent(self, head: m.FrameHead, *, now_us: int) -> None:
        """A frame goes to the transport; see `not_taken`."""
        self.credit.spend(head.sequence, head.size_bytes, now_us=now_us)
        self.handed_over(head)
        self.frames_sent += 1
        self.bytes_sent += head.size_bytes

    def _is_useful(self, keyframe: int | None) -> bool:
        return keyframe is not None and keyframe >= self._floor
