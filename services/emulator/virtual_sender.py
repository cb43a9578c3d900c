# SPDX-License-Identifier: Apache-2.0
"""Shell of a sender in virtual time, around the core that the daemon runs.

It captures, encodes and sends by the virtual clock. Decisions are those of the core.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count

from services.emulator.ends import Line, Stage
from services.emulator.footage import Footage, RememberingCodec
from services.media.scaling import fitted
from services.protocol.broadcast import Answers
from services.protocol.offer import Offer
from services.protocol.packing import pack
from services.protocol.planner import Plan, Rules
from services.rate.congestion import CongestionController
from services.sender.coder import Coded
from services.sender.core import TICK_US, Encode, Outgoing, SenderCore, SenderSetup, Span

RESET_BYTES = 60


class VirtualSender:
    """Captures, encodes and sends as its core decides."""

    def __init__(self, stage: Stage, footage: Footage) -> None:
        options = stage.options
        self._clock, self._path, self._log = stage.clock, stage.path, stage.log
        self._options = options
        self._footage = footage
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
            now_us=stage.clock.now_us,
            congestion=self._take_controller,
        )
        self._lines: dict[bytes, Line] = {}
        self._closings: dict[bytes, Callable[[], None]] = {}
        self._numbers = count(1)
        self._busy = False
        self._waiting: int | None = None  # the newest frame, while another is encoded
        stage.clock.at(stage.start_us, self._capture)
        stage.clock.at(stage.start_us, self._tick)

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
        """A message of a receiver."""
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
                    line.send(pack(message))

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
