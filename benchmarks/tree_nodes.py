# SPDX-License-Identifier: Apache-2.0
"""A sender, relays upon relays and viewers in virtual time, around the product's own cores.

Sender and relays are the product's cores, with chains, credit and timers;
they exchange the bytes of the protocol. Viewers are a few lines that follow the protocol, and
get messages as objects, since there are a hundred thousand of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from benchmarks.steady_codec import MODEL, PICTURE, Material, SteadyCodec
from benchmarks.tree_model import (
    Book,
    Clockwork,
    Coded,
    Costs,
    Node,
    PlainWire,
    Wire,
    connect_us,
)
from services.errors import RemoteProtocolError
from services.protocol import messages as m
from services.protocol.broadcast import Answers
from services.protocol.fanout import Fanout, Replies
from services.protocol.intake import Results
from services.protocol.offer import Offer
from services.protocol.packing import pack, unpack
from services.protocol.planner import Rules
from services.protocol.profile import Profile
from services.protocol.session import HELLO_INTERVAL_US
from services.protocol.standby import Move
from services.protocol.viewer import REFERENCES_HELD
from services.rate.budget import Ack, Budget
from services.relay.core import FeedCore
from services.sender.core import Encode, Outgoing, SenderCore, SenderSetup, Span

_ROUNDS = 4  # as in services.wire.outlet
_PARENT = b""


class _Unlimited:
    """Rate control that never limits: only the tree is measured."""

    capacity_bps = 0
    queue_us = 0
    min_rtt_us = None

    def on_sent(self, frame_id: int, size_bytes: int, now_us: int) -> None: ...
    def on_ack(self, ack: Ack, now_us: int) -> None: ...
    def on_reset(self, now_us: int) -> None: ...
    def budget(self, now_us: int, *, encode_us: int, floor_bytes: int | None = None) -> Budget:
        return Budget(m.MAX_PACKET_BYTES, "none")


class SenderNode(Node):
    """The root: captures at a steady rate; every encode takes the same time."""

    def __init__(
        self, clockwork: Clockwork, costs: Costs, book: Book, material: Material, *, epoch: int = 1
    ) -> None:
        self._book = book
        self._material = material
        self._interval_us = round(1e6 / material.fps)
        self._captured = 0
        self._encodes = False
        self._waiting_us: int | None = None  # the newest capture, while another is encoded
        self.keyframes = 0
        self.core = SenderCore(
            SenderSetup(
                Offer(epoch, "main", MODEL, b"", "S", b"", self._interval_us),
                (PICTURE.width, PICTURE.height),
                Rules(adaptive=False),
                adapts=False,
            ),
            codec=SteadyCodec(material),
            now_us=clockwork.now_us,
            congestion=_Unlimited,
        )
        super().__init__(clockwork, costs, depth=0)
        clockwork.call(clockwork.now_us, self._capture)

    def _capture(self, now_us: int) -> None:
        self.clockwork.call(now_us + self._interval_us, self._capture)
        every = self._material.keyframe_every
        if every and self._captured % every == 0:
            self.core.broadcast.planner.request_keyframe()
        self._captured += 1
        self.core.captured(now_us)
        if not self._encodes:
            self._begin(now_us, now_us)
            return
        if self._waiting_us is not None:
            self.core.replaced(now_us)
        self._waiting_us = now_us

    def _begin(self, captured_us: int, now_us: int) -> None:
        encode = self.core.plan(width=PICTURE.width, height=PICTURE.height, now_us=now_us)
        self._encodes = encode is not None
        if encode is not None:
            self._encode(encode, 0, captured_us, now_us)

    def _encode(self, encode: Encode, number: int, captured_us: int, start_us: int) -> None:
        plan = encode.plans[number]
        coded = self.core.encode(PICTURE, plan)
        assert coded is not None
        self._book.packets[coded.packet[: m.SLICE_BYTES]] = Coded(
            captured_us, plan.reference or b"", coded.reference.digest
        )
        self.keyframes += coded.keyframe

        def done(done_us: int) -> None:
            span = Span(captured_us, start_us, done_us)
            out = self.core.coded(encode, plan, coded, span=span)
            if out is not None:
                self._hand_out(out, done_us)
            if number + 1 < len(encode.plans):
                self._encode(encode, number + 1, captured_us, done_us)
                return
            waiting_us, self._waiting_us = self._waiting_us, None
            self._encodes = False
            if waiting_us is not None:
                self._begin(waiting_us, done_us)

        self.clockwork.call(start_us + self._material.encode_us, done)

    def _hand_out(self, out: Outgoing, done_us: int) -> None:
        self._busy_us = max(self._busy_us, done_us)
        for peer in out.peers:
            head, rest = self.core.train(out, now_us=self._busy_us)
            self._busy_us += self._costs.handout_us
            self.core.handed_over(peer, head, self._busy_us)
            self.send(peer, head, self._busy_us)
            if rest is not None:
                self.send(peer, rest, self._busy_us)

    def _received(self, source: bytes, message: m.Message) -> None:
        self._answer(self.core.messages([(source, pack(message))], self._busy_us))

    def _tick(self) -> None:
        self._answer(self.core.messages([], self._busy_us))

    def _answer(self, answers: Answers) -> None:
        for peer, data in answers.messages:
            self.send(peer, unpack(data), self._busy_us)


class RelayNode(Node):
    """A relay. `parents` has others to connect to when its own is lost."""

    def __init__(
        self,
        clockwork: Clockwork,
        costs: Costs,
        book: Book,
        *,
        number: int,
        depth: int,
        parents: Callable[[], tuple[Node, Wire, Wire]],
    ) -> None:
        super().__init__(clockwork, costs, depth=depth)
        self.identity = b"r%d" % number
        self._parents = parents
        self._book = book
        self.fanout = Fanout(boot_id=b"")
        self.core = FeedCore(
            Profile(b"", b"", "", f"relay-{number}", number, b""),
            self.fanout,
            connects=True,
            now_us=clockwork.now_us,
        )
        self._connects = 0
        self._join()

    @property
    def address(self) -> bytes:
        """Its routing id at the parent, different for each connection."""
        return b"%s/%d" % (self.identity, self._connects)

    def take(self, message: m.Message, at_us: int) -> None:
        """A message from the parent arrives."""
        self.deliver(at_us, _PARENT, message)

    def disconnected(self, now_us: int) -> None:
        """The connection to the parent broke: find another at once."""
        self.core.disconnected(now_us)
        self._join()
        self.clockwork.call(now_us + connect_us(self._up), self._connected)

    def _join(self) -> None:
        self._connects += 1
        self.parent, down, self._up = self._parents()
        self.parent.served[self.address] = (self, down)

    def _received(self, source: bytes, message: m.Message) -> None:
        if source == _PARENT:
            data = pack(message)
            self._act(self.core.message(b"", data, self._busy_us, encrypted=False))
            return
        try:
            self._say(self.fanout.on_message(source, message, self._busy_us))
        except RemoteProtocolError:  # counted and dropped, as `protocol.board` does
            self._book.hostile += 1

    def _tick(self) -> None:
        self._act(self.core.tick(self._busy_us))
        self._say(self.fanout.tick(self._busy_us))
        self._act(self.core.request_keyframe(self._busy_us))

    def _serve(self) -> None:
        for _ in range(_ROUNDS):
            due = self.fanout.due(self._busy_us)
            if not due:
                return
            for outgoing in due:
                self._busy_us += self._costs.handout_us
                self.send(outgoing.peer, outgoing.head, self._busy_us)
                if outgoing.rest is not None:
                    self.send(outgoing.peer, outgoing.rest, self._busy_us)
        self._wake(self._busy_us)

    def _say(self, replies: Replies) -> None:
        for peer, message in replies.messages:
            self.send(peer, message, self._busy_us)

    def _act(self, results: Results) -> None:
        now_us = self._busy_us
        self._say(self.core.take_replies())
        for _, data in results.messages:
            at_us = self._up.arrival_us(now_us, len(data))
            self.parent.deliver(at_us, self.address, unpack(data))
        if results.standby is Move.OPEN:
            # Another parent answers at that address.
            self.clockwork.call(now_us + connect_us(self._up), self.core.spare_connected)
        if results.standby is Move.TAKE:
            self._join()
        elif results.rebuild:
            self._join()
            self.clockwork.call(now_us + connect_us(self._up), self._connected)

    def _connected(self, now_us: int) -> None:
        self._busy_us = max(self._busy_us, now_us)
        self._act(self.core.connected(self._busy_us))


class ViewerNode:
    """Receives frames and reports; finds another relay when its own is lost."""

    __slots__ = (
        "_asked_us",
        "_book",
        "_clockwork",
        "_decode_us",
        "_held",
        "_node",
        "_number",
        "_session",
        "_shown_us",
        "_welcomed",
        "_wire",
        "gap_us",
        "heard_us",
    )

    def __init__(
        self, clockwork: Clockwork, book: Book, *, number: int, delay_us: int, decode_us: int
    ) -> None:
        self._clockwork = clockwork
        self._book = book
        self._number = number
        self._wire = PlainWire(delay_us)
        self._decode_us = decode_us
        self._node: Node | None = None
        self._session = 0  # counts connections; 0: none yet
        self._welcomed = False
        self._asked_us: int | None = None  # time since which it waits for its first picture
        self._held: deque[bytes] = deque(maxlen=REFERENCES_HELD)
        self._shown_us: int | None = None
        self.gap_us = 0  # the longest time without a new picture
        self.heard_us = 0

    def join(self, node: Node, now_us: int) -> None:
        """Connect to a relay or sender, and say HELLO until it answers."""
        self._node = node
        self._session += 1
        self._asked_us = now_us
        self._welcomed = False
        self._held.clear()
        node.served[self._address] = (self, self._wire)
        self._hello(self._session, now_us)

    def lose(self, node: Node, now_us: int) -> None:
        """Its relay is gone: connect to another."""
        self._node = None
        at_us = now_us + connect_us(self._wire)
        self._clockwork.call(at_us, lambda then_us: self.join(node, then_us))

    def watch_gaps(self, now_us: int) -> None:
        """Measure `gap_us` from now on."""
        self.gap_us, self._shown_us = 0, now_us

    @property
    def _address(self) -> bytes:
        return b"v%d/%d" % (self._number, self._session)

    def _hello(self, session: int, now_us: int) -> None:
        if self._node is None or session != self._session or self._welcomed:
            return
        self._say(m.Hello((m.VERSION,), MODEL, b"", "", "", self._number, b""), now_us)
        again_us = now_us + max(HELLO_INTERVAL_US, 3 * self._wire.delay_us)
        self._clockwork.call(again_us, lambda then_us: self._hello(session, then_us))

    def take(self, message: m.Message, at_us: int) -> None:
        """A message arrives at that time."""
        self.heard_us = at_us
        match message:
            case m.FrameHead():
                self._frame(message, at_us)
            case m.Welcome():
                self._welcomed = True
                self._say(m.Ready(message.epoch), at_us)
            case m.Ping():
                self._say(m.Pong(message.number, message.sent_us, at_us, at_us), at_us)

    def _frame(self, head: m.FrameHead, at_us: int) -> None:
        coded = self._book.packets[head.first]
        self._say(m.FrameAck(head.epoch, head.sequence, head.size_bytes, at_us, at_us), at_us)
        if coded.reference and coded.reference not in self._held:
            self._book.broken_chains += 1
            return
        self._held.append(coded.digest)
        if self._node is not None:
            self._book.arrived(self._node.depth, coded, at_us)
        shown_us = at_us + self._decode_us
        if self._shown_us is not None:
            self.gap_us = max(self.gap_us, shown_us - self._shown_us)
        self._shown_us = shown_us
        if self._asked_us is not None:
            self._book.first_pictures_us.append(shown_us - self._asked_us)
            self._asked_us = None
        shown = m.FrameShown(
            head.epoch,
            head.sequence,
            m.Outcome.SHOWN,
            0,
            m.MAX_SPAN_US,
            0,
            self._decode_us,
            0,
            self._decode_us,
        )
        self._say(shown, shown_us)

    def _say(self, message: m.Message, now_us: int) -> None:
        if self._node is not None:
            at_us = self._wire.arrival_us(now_us, 60)
            self._node.deliver(at_us, self._address, message)
