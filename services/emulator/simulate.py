# SPDX-License-Identifier: Apache-2.0
"""A live stream over an emulated link in virtual time: minutes of stream in seconds, no sockets.

The parts are the product's own congestion controller, the link model, a model of TCP, and either
a model of the codec or the real one. Capture and encoding take the time they are told to take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from services.emulator.profile import Profile
from services.emulator.rate_model import QUALITIES, FrameCoder, ModelCoder
from services.emulator.report import FrameRecord, Summary, jain_index, summarise
from services.emulator.virtual import VirtualClock, VirtualConnection, VirtualPath
from services.protocol.messages import SLICE_BYTES
from services.rate.congestion import STARTUP, UNLIMITED, Ack, CongestionController, Tuning
from services.rate.resolution import Resolution, Step

# Fields of a message and 9 bytes of ZMTP framing, as the protocol's own messages have them.
HEAD_FRAMING_BYTES = 63
REST_FRAMING_BYTES = 35
ACK_BYTES = 44
# SYN, SYN-ACK, HELLO, WELCOME, READY: down and up by turns.
_HANDSHAKE_BYTES = (60, 60, 200, 200, 200)
_SAMPLE_US = 100_000


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """Everything about a run but the link and the codec."""

    seconds: float = 30.0
    frames_per_second: float = 30.0
    encode_us: int = 10_000
    decode_us: int = 0
    warm_up_s: float = 2.0  # left out of the summary, as is the end after `cool_down_s`
    cool_down_s: float = 0.5
    seed: int = 1
    streams: int = 1
    second_stream_at_s: float = 0.0  # when all streams but the first join
    bulk: tuple[float, float] | None = None  # a bulk transfer beside us, from and to (seconds)
    ack_grid_us: int = 0  # acknowledgements leave the receiver only at multiples of this
    clock_offset_us: int = 0  # of the receiver's clock
    clock_ppm: float = 0.0
    min_bytes: int = 600
    max_bytes: int = 60_000
    tuning: Tuning | None = None
    adapts: bool = True  # a link too thin for the picture gets a smaller one
    redial: bool = True  # a new connection when nothing is acknowledged for max(1 s, 4 RTT)
    redial_attempt_us: int = 500_000


@dataclass(frozen=True, slots=True)
class Sample:
    """State of the link over the 100 ms before `at_us`."""

    at_us: int
    capacity_bps: int
    used_bps: int
    queue_bytes: int
    estimate_bps: int  # of the first stream's controller
    rate_bps: int


@dataclass(frozen=True, slots=True)
class StreamResult:
    """One stream: every frame's fate, and the summary after warming up."""

    frames: tuple[FrameRecord, ...]
    summary: Summary
    reconnects: int
    resolution_changes: int = 0


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What a run showed. `jain` compares the streams' rates while all of them run."""

    profile: str
    options: SimulationOptions
    streams: tuple[StreamResult, ...]
    samples: tuple[Sample, ...]
    bulk_mbps: float
    jain: float
    utilisation: float  # of all streams together
    encode_ms: float = 10.0  # counted into the delays

    @property
    def summary(self) -> Summary:
        """Of the first stream."""
        return self.streams[0].summary


def simulate(
    profile: Profile,
    options: SimulationOptions | None = None,
    *,
    coders: Sequence[FrameCoder] = (),
) -> SimulationResult:
    """Run streams over a link; without coders each stream has a model of the codec.

    The same arguments give the same result. Two runs that share a link seed see the same link.
    """
    options = options or SimulationOptions()
    clock = VirtualClock()
    path = VirtualPath(clock, profile, seed=options.seed + profile.seed)
    streams = []
    for number in range(options.streams):
        coder = coders[number] if number < len(coders) else ModelCoder(seed=options.seed + number)
        # The phases of two captures differ, or the same one would always wait for the other.
        start_us = 7_919 * number
        if number:
            start_us += round(options.second_stream_at_s * 1e6)
        streams.append(_Stream(clock, path, coder, options, start_us))
    bulk = _Bulk(clock, path, options.bulk) if options.bulk else None
    recorder = _Recorder(clock, path, streams[0])
    clock.run_until(round(options.seconds * 1e6))
    return _result(profile, options, path=path, streams=streams, recorder=recorder, bulk=bulk)


class _Stream:
    """Sender and receiver of one stream."""

    def __init__(
        self,
        clock: VirtualClock,
        path: VirtualPath,
        coder: FrameCoder,
        options: SimulationOptions,
        start_us: int,
    ) -> None:
        self._clock = clock
        self._path = path
        self._coder = coder
        self._options = options
        self.start_us = start_us
        self.interval_us = round(1e6 / options.frames_per_second)
        self.controller = CongestionController(
            frame_interval_us=self.interval_us,
            min_bytes=options.min_bytes,
            max_bytes=options.max_bytes,
            tuning=options.tuning,
        )
        self.records: list[FrameRecord] = []
        self.reconnects = 0
        follows = options.adapts and coder.follows_steps
        self.resolution = Resolution(start_us, follows=follows)
        self._connection: VirtualConnection | None = None
        self._reference: object | None = None
        self._acknowledged: object | None = None  # a reference that the receiver surely holds
        self._sent: dict[int, object] = {}
        self._heads: list[tuple[int, int]] = []  # (end of head in the stream, frame)
        self._tails: list[tuple[int, int]] = []
        self._head_us: dict[int, int] = {}
        self._encoding_until_us = 0
        self._attempts = 0
        clock.at(start_us, self._dial)
        clock.at(start_us, self._capture)

    # --- the sender

    def _capture(self) -> None:
        now = self._clock.now_us
        self._clock.at(now + self.interval_us, self._capture)
        if self._connection is None:
            self._note(now, None, "connecting")
            return
        rtt_us = self.controller.min_rtt_us or 0
        if self._options.redial and self.controller.stalled_us(now) > max(1_000_000, 4 * rtt_us):
            self._redial()
            self._note(now, None, "connecting")
            return
        step = self.resolution.step
        floor = self.resolution.least_bytes
        if self._reference is None:
            area = (step.value / Step.FULL.value) ** 2
            floor = round(area * self._coder.keyframe_floor_bytes)
        budget = self.controller.budget(now, encode_us=self._options.encode_us, floor_bytes=floor)
        if budget.size_bytes is None or now < self._encoding_until_us:
            self._note(now, None, budget.reason if budget.size_bytes is None else "cpu")
            if budget.size_bytes is None and self.resolution.skipped(now):
                self._start_anew()
            return
        index = len(self.records)
        coded = self._coder.encode(index, self._reference, budget.size_bytes, step)
        self._note(now, budget.size_bytes, budget.reason)
        if coded is None:
            if self.resolution.skipped(now):
                self._start_anew()
            return
        self._encoding_until_us = now + self._options.encode_us
        self.records[index] = replace(
            self.records[index],
            size_bytes=coded.size_bytes,
            keyframe=self._reference is None,
            quality=coded.quality,
            handed_us=now + self._options.encode_us,
            psnr_db=coded.psnr_db,
            ssim_db=coded.ssim_db,
        )
        self._reference = coded.reference
        self._sent[index] = coded.reference
        connection = self._connection
        self._clock.at(
            now + self._options.encode_us, lambda: self._hand(connection, index, coded.size_bytes)
        )
        free = coded.quality >= QUALITIES - 1 or budget.reason in (UNLIMITED, STARTUP)
        if self.resolution.coded(
            quality=coded.quality,
            limit="none" if free else "bandwidth",
            size_bytes=coded.size_bytes,
            budget_bytes=budget.size_bytes,
            now_us=now,
        ):
            self._start_anew()

    def _start_anew(self) -> None:
        """The next frame has another size: no reference fits it."""
        self._reference = self._acknowledged = None
        self._sent.clear()

    def _hand(self, connection: VirtualConnection, index: int, size_bytes: int) -> None:
        if connection is not self._connection:
            return
        self.controller.on_sent(index, size_bytes, self._clock.now_us)
        rest_bytes = size_bytes - SLICE_BYTES
        # Positions first: writing may deliver at once on a link without delay.
        head = connection.write(min(size_bytes, SLICE_BYTES) + HEAD_FRAMING_BYTES)
        self._heads.append((head, index))
        tail = connection.write(rest_bytes + REST_FRAMING_BYTES) if rest_bytes > 0 else head
        self._tails.append((tail, index))

    def _note(self, now_us: int, budget: int | None, reason: str) -> None:
        self.records.append(FrameRecord(len(self.records), now_us, budget, reason))

    # --- the receiver

    def _read(self, position: int) -> None:
        now = self._clock.now_us
        while self._heads and self._heads[0][0] <= position:
            self._head_us[self._heads.pop(0)[1]] = self._receiver_clock(now)
        while self._tails and self._tails[0][0] <= position:
            index = self._tails.pop(0)[1]
            record = self.records[index]
            shown_us = now + self._options.decode_us
            self.records[index] = replace(record, arrived_us=now, shown_us=shown_us)
            ack = Ack(
                frame_id=index,
                size_bytes=record.size_bytes or 0,
                head_us=self._head_us.pop(index),
                tail_us=self._receiver_clock(now),
            )
            grid = self._options.ack_grid_us
            self._clock.at(now + (-now % grid if grid else 0), partial(self._reply, ack))

    def _receiver_clock(self, now_us: int) -> int:
        drift_us = round(now_us * self._options.clock_ppm / 1e6)
        return now_us + drift_us + self._options.clock_offset_us

    def _reply(self, ack: Ack) -> None:
        if self._connection is not None:
            self._connection.reply(ACK_BYTES, lambda: self._acknowledge(ack))

    def _acknowledge(self, ack: Ack) -> None:
        self.controller.on_ack(ack, self._clock.now_us)
        self._acknowledged = self._sent.pop(ack.frame_id, self._acknowledged)
        for index in [i for i in self._sent if i < ack.frame_id]:
            del self._sent[index]

    # --- connecting: the receiver dials, the sender answers

    def _redial(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self.reconnects += 1
        for backlog in (self._heads, self._tails):
            backlog.clear()
        self._dial()

    def _dial(self) -> None:
        if self._connection is not None:
            return
        self._attempts += 1
        attempt_us = max(self._options.redial_attempt_us, 3 * self._path.base_rtt_us)
        self._clock.at(self._clock.now_us + attempt_us, partial(self._give_up, self._attempts))
        self._shake(VirtualConnection(self._clock, self._path, self._read), 0)

    def _give_up(self, attempt: int) -> None:
        if attempt == self._attempts:
            self._dial()

    def _shake(self, opening: VirtualConnection, step: int) -> None:
        """The receiver's half of a round trip, then the sender's, until the session stands."""
        if step == len(_HANDSHAKE_BYTES):
            self._ready(opening)
            return
        wire = self._path.up if step % 2 else self._path.down
        wire.send(_HANDSHAKE_BYTES[step], partial(self._shake, opening, step + 1))

    def _ready(self, connection: VirtualConnection) -> None:
        if self._connection is not None:
            return  # an earlier attempt came through
        self._connection = connection
        if self.reconnects:
            self.controller.on_reset(self._clock.now_us)
        # The receiver names the newest reference that it holds: no keyframe is needed.
        self._reference = self._acknowledged
        self._sent.clear()
        self._head_us.clear()


class _Bulk:
    """A bulk transfer: as many bytes as its TCP lets go."""

    _AHEAD_BYTES = 256 * 1024

    def __init__(self, clock: VirtualClock, path: VirtualPath, span_s: tuple[float, float]) -> None:
        self._end_us = round(span_s[1] * 1e6)
        self._clock = clock
        self.log: list[tuple[int, int]] = []
        self._connection = VirtualConnection(clock, path, self._read)
        clock.at(round(span_s[0] * 1e6), self._fill)

    def bytes_between(self, start_us: int, end_us: int) -> int:
        positions = [p for at, p in self.log if start_us <= at < end_us]
        return positions[-1] - positions[0] if positions else 0

    def _read(self, position: int) -> None:
        self.log.append((self._clock.now_us, position))

    def _fill(self) -> None:
        if self._clock.now_us >= self._end_us:
            return
        room = self._AHEAD_BYTES - self._connection.unacknowledged_bytes
        if room > 0:
            self._connection.write(room)
        self._clock.at(self._clock.now_us + 5_000, self._fill)


class _Recorder:
    """Samples the link ten times a second."""

    def __init__(self, clock: VirtualClock, path: VirtualPath, stream: _Stream) -> None:
        self._clock = clock
        self._link = path.up.link
        self._stream = stream
        self.samples: list[Sample] = []
        self._carried = 0
        clock.at(_SAMPLE_US, self._sample)

    def _sample(self) -> None:
        now = self._clock.now_us
        carried = self._link.statistics.delivered_bytes
        self.samples.append(
            Sample(
                at_us=now,
                capacity_bps=self._link.capacity_bytes(now - _SAMPLE_US, now)
                * 8_000_000
                // _SAMPLE_US,
                used_bps=(carried - self._carried) * 8_000_000 // _SAMPLE_US,
                queue_bytes=self._link.queue_bytes(now),
                estimate_bps=self._stream.controller.capacity_bps,
                rate_bps=self._stream.controller.rate_bps,
            )
        )
        self._carried = carried
        self._clock.at(now + _SAMPLE_US, self._sample)


def _result(
    profile: Profile,
    options: SimulationOptions,
    *,
    path: VirtualPath,
    streams: Sequence[_Stream],
    recorder: _Recorder,
    bulk: _Bulk | None,
) -> SimulationResult:
    start_us = max(stream.start_us for stream in streams) + round(options.warm_up_s * 1e6)
    end_us = round((options.seconds - options.cool_down_s) * 1e6)
    if end_us <= start_us:  # too short to leave anything out
        start_us, end_us = 0, round(options.seconds * 1e6)
    capacity = path.up.link.capacity_bytes(start_us, end_us)
    gap_us = path.up.link.longest_gap_us(start_us, end_us)
    results = tuple(
        StreamResult(
            frames=tuple(stream.records),
            summary=summarise(
                stream.records,
                interval_us=stream.interval_us,
                start_us=start_us,
                end_us=end_us,
                capacity_bytes=capacity,
                longest_gap_us=gap_us,
            ),
            reconnects=stream.reconnects,
            resolution_changes=stream.resolution.changes,
        )
        for stream in streams
    )
    span_s = (end_us - start_us) / 1e6
    return SimulationResult(
        profile=profile.name,
        options=options,
        streams=results,
        samples=tuple(recorder.samples),
        bulk_mbps=bulk.bytes_between(start_us, end_us) * 8 / 1e6 / span_s if bulk else 0.0,
        jain=jain_index([result.summary.throughput_mbps for result in results]),
        utilisation=sum(result.summary.utilisation for result in results),
        encode_ms=options.encode_us / 1000,
    )
