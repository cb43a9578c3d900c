# SPDX-License-Identifier: Apache-2.0
"""A live stream over an emulated link in virtual time: minutes of stream in seconds, no sockets.

The ends are the product's own cores (`emulator.virtual_sender`, `emulator.virtual_receiver`);
between them are the link model and a model of TCP; the codec is a model or the real one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.emulator.ends import EndOptions, FrameLog, Stage
from services.emulator.footage import Footage, ModelFootage
from services.emulator.outages import usefulness
from services.emulator.profile import Profile
from services.emulator.report import FrameRecord, Summary, jain_index, summarise
from services.emulator.virtual import VirtualClock, VirtualConnection, VirtualPath
from services.emulator.virtual_receiver import VirtualReceiver
from services.emulator.virtual_sender import VirtualSender
from services.rate.congestion import HEADER_BYTES, CongestionController
from services.rate.tuning import Tuning

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
    quality: int | None = None  # the finest; None: the sender's own cap


def least_useful_bps(options: SimulationOptions) -> int:
    """What a link must carry for every frame to be sent at all."""
    return round((options.min_bytes + HEADER_BYTES) * 8 * options.frames_per_second)


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
    footage: Sequence[Footage] = (),
) -> SimulationResult:
    """Run streams over a link; without footage each stream has a model of the codec.

    The same arguments give the same result. Two runs that share a link seed see the same link.
    """
    options = options or SimulationOptions()
    clock = VirtualClock()
    path = VirtualPath(clock, profile, seed=options.seed + profile.seed)
    streams = []
    for number in range(options.streams):
        film = (
            footage[number] if number < len(footage) else ModelFootage(seed=options.seed + number)
        )
        # The captures differ in phase, or the same stream would always wait for the other.
        start_us = 7_919 * number
        if number:
            start_us += round(options.second_stream_at_s * 1e6)
        streams.append(_Stream(clock, path, film, options, start_us))
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
        footage: Footage,
        options: SimulationOptions,
        start_us: int,
    ) -> None:
        self.start_us = start_us
        self.interval_us = round(1e6 / options.frames_per_second)
        told = EndOptions(
            frame_interval_us=self.interval_us,
            encode_us=options.encode_us,
            decode_us=options.decode_us,
            adapts=options.adapts,
            quality=options.quality,
            min_bytes=options.min_bytes,
            max_bytes=options.max_bytes,
            tuning=options.tuning,
            ack_grid_us=options.ack_grid_us,
            receiver_clock_us=lambda now: (
                now + round(now * options.clock_ppm / 1e6) + options.clock_offset_us
            ),
        )
        self._log = FrameLog()
        stage = Stage(clock, path, told, self._log, start_us)
        self._sender = VirtualSender(stage, footage)
        self._receiver = VirtualReceiver(stage, self._sender)

    @property
    def controller(self) -> CongestionController:
        return self._sender.controller

    @property
    def records(self) -> list[FrameRecord]:
        return self._log.records

    @property
    def reconnects(self) -> int:
        return max(0, self._receiver.connections - 1)

    @property
    def resolution_changes(self) -> int:
        return self._sender.resolution_changes


class _Bulk:
    """A bulk transfer: as many bytes as its TCP allows."""

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
    useful = usefulness(
        path.up.link.capacity_bytes,
        profile.up.outages,
        end_us=end_us,
        least_bps=least_useful_bps(options),
    )
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
                usefulness=useful,
            ),
            reconnects=stream.reconnects,
            resolution_changes=stream.resolution_changes,
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
