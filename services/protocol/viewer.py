# SPDX-License-Identifier: Apache-2.0
"""One receiver as its sender knows it: rate control, and the references that it holds; pure."""

from __future__ import annotations

from collections import OrderedDict, deque

from services.protocol.credit import CreditWindow
from services.protocol.member import Member
from services.protocol.messages import (
    FrameAck,
    FrameShown,
    Hello,
    KeyframeReason,
    KeyframeRequest,
    Outcome,
)
from services.rate.budget import Ack, Congestion

REFERENCES_HELD = 6  # both ends keep this many; what is sent moves the window at both alike
_SENT_DIGESTS = 128
_HELD_PIXELS = 12_500_000  # six pictures of 1920x1080: larger ones are fewer
_LEAST_HELD = 2


def references_held(pixels: int) -> int:
    """How many references both ends keep of pictures of that size: with its state one takes three
    bytes a pixel, so that six of the largest size would be 170 MB."""
    return max(_LEAST_HELD, min(REFERENCES_HELD, _HELD_PIXELS // max(1, pixels)))


class Viewer(Member):
    """State of one receiver of a sender.

    `held` is a reference that this receiver surely holds from a former session: it goes on from
    there. When it reports that it lacks it, it gets a keyframe.
    """

    def __init__(
        self,
        peer: bytes,
        hello: Hello,
        *,
        congestion: Congestion,
        frame_interval_us: int,
        now_us: int,
        held: bytes | None = None,
        asker: bytes = b"",
    ) -> None:
        credit = CreditWindow(frame_interval_us=frame_interval_us, hold_us=hello.hold_us)
        super().__init__(peer, hello, credit=credit, now_us=now_us, asker=asker)
        self.congestion = congestion
        self.held: deque[bytes] = deque(maxlen=REFERENCES_HELD)
        self.needs_keyframe = held is None
        self.aside = False  # its chain has left that of the others
        if held is not None:
            self.held.append(held)
        self._resumes = held is not None
        self._digests: OrderedDict[int, bytes] = OrderedDict()  # of frames sent, by sequence
        self.decoded: bytes | None = held  # the newest reference that it told us it has

    def sent(self, sequence: int, digest: bytes, size_bytes: int, *, now_us: int) -> None:
        """A frame for this viewer goes to the transport; it will hold the reference after it."""
        self.credit.spend(sequence, size_bytes, now_us=now_us)
        self.congestion.on_sent(sequence, size_bytes, now_us)
        self.held.append(digest)
        self._digests[sequence] = digest
        while len(self._digests) > _SENT_DIGESTS:
            self._digests.popitem(last=False)
        self.frames_sent += 1
        self.bytes_sent += size_bytes

    def acknowledged(self, ack: FrameAck, *, now_us: int) -> bool:
        """ACK. False when that frame is not under way. Raises RemoteProtocolError on a lie."""
        if not super().acknowledged(ack, now_us=now_us):
            return False
        self.congestion.on_ack(Ack(ack.sequence, ack.size_bytes, ack.head_us, ack.tail_us), now_us)
        return True

    def requested(self, request: KeyframeRequest, *, now_us: int) -> None:
        """KEYFRAME_REQUEST: of a person, while it goes on, or of one that lacks its reference."""
        self.keyframe_requests += 1
        if request.reason is KeyframeReason.USER:
            self.asked = True
        else:
            self.ask_keyframe()

    def ask_keyframe(self) -> None:
        """Nothing this viewer holds can be relied on."""
        self.needs_keyframe = True
        self.held.clear()
        self.decoded = None

    @property
    def wants_keyframe(self) -> bool:
        """True for one that lacks its reference, and for one that only asked."""
        return self.needs_keyframe or self.asked

    def _learn(self, shown: FrameShown) -> None:
        """What an outcome tells about the references at the other end."""
        digest = self._digests.get(shown.sequence)
        if shown.outcome in (Outcome.SHOWN, Outcome.SUPERSEDED):
            self._resumes = False
            if not self.needs_keyframe:
                self.decoded = digest
        elif self._resumes:
            self._resumes = False
            self.ask_keyframe()  # receivers do not ask in their first second

    @property
    def _capacity_bps(self) -> int:
        return self.congestion.capacity_bps

    @property
    def _queue_us(self) -> int:
        return self.congestion.queue_us
