# SPDX-License-Identifier: Apache-2.0
"""One end of a live run, in a process of its own: `python -m benchmarks.link_worker sender ...`.

Loads everything, prints "ready", waits for "go" on its input, runs, and writes its result as JSON.
Times are of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from benchmarks.material import load_clips
from services.emulator.sized_codec import SizedCodec
from services.errors import EndOfSource
from services.media.scaling import fitted
from services.media.sources import CapturedFrame
from services.process.clock import now_us
from services.protocol.planner import Rules
from services.rate.budget import Ack, Budget
from services.rate.congestion import CongestionController
from services.receiver.daemon import ReceiverConfig, ReceiverDaemon, ShownFrame
from services.sender.daemon import Sender, SenderConfig, SentFrame
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES, Endpoint
from streamcodec.codec import Codec, Decoded, Encoded
from streamcodec.frame import Frame, Reference
from streamcodec.metrics import psnr611, ssim
from streamcodec.parallel import Threads

_MEASURED = 5  # quality is measured on every n-th frame, outside the coding thread


def main() -> None:
    """Run one role."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("sender", "receiver"))
    parser.add_argument("--url", required=True)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--codec", default="S")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--send-buffer", type=int, default=0, help="bytes; 0: the product's")
    parser.add_argument("--tcp", default="", help="congestion control of the kernel's TCP")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with Threads() as threads:
        _work(options, load_codec(options.codec, threads))


def _work(options: argparse.Namespace, codec: Codec) -> None:
    clip = next(iter(load_clips(options.clip.parent, only=options.clip.stem)))
    codec.warm_up(clip.frames[0].width, clip.frames[0].height)
    run = _send if options.role == "sender" else _receive
    print("ready", flush=True)
    sys.stdin.readline()
    options.out.write_text(json.dumps(run(options, codec, list(clip.frames))), encoding="utf-8")


def load_codec(name: str, threads: Threads) -> Codec:
    """A size of the real codec, or "model" for one with plausible sizes that takes no time."""
    if name == "model":
        return SizedCodec()
    return Codec.load(name, device="cpu").sharing(threads)


class ClipSource:
    """A clip forwards and backwards at a fixed frame rate; records each capture."""

    name = "clip"
    live = True

    def __init__(self, frames: list[Frame], *, fps: float, seconds: float) -> None:
        self._frames = frames
        self.width, self.height = frames[0].width, frames[0].height
        self.fps = fps
        self._number = 0
        self._last = int(seconds * fps)
        self._start_us = 0
        self.captured_us: list[int] = []

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """The next frame at its time."""
        if self._number == self._last:
            raise EndOfSource("the run is over")
        self._start_us = self._start_us or now_us()
        due_us = self._start_us + round(self._number * 1e6 / self.fps)
        time.sleep(min(timeout_s, max(0, due_us - now_us()) / 1e6))
        captured_us = now_us()
        if captured_us < due_us:
            return None
        frame = self.frame(self._number)
        self._number += 1
        self.captured_us.append(captured_us)
        return CapturedFrame(frame, captured_us)

    def frame(self, number: int) -> Frame:
        """The picture with this number, the clip forwards and backwards."""
        period = max(1, 2 * len(self._frames) - 2)
        position = number % period
        return self._frames[min(position, period - position)]

    def close(self) -> None:
        """Nothing to free."""


class NotedCodec(Codec):
    """The codec, with the budget of its last frame; None where only a quality was given."""

    def __init__(self, inner: Codec) -> None:
        self._inner = inner
        self.model_hash, self.size, self.device = inner.model_hash, inner.size, inner.device
        self.last_budget: int | None = None

    def encode(
        self,
        frame: Frame,
        reference: Reference | None = None,
        *,
        quality: int | None = None,
        budget_bytes: int | None = None,
    ) -> Encoded:
        self.last_budget = budget_bytes
        return self._inner.encode(frame, reference, quality=quality, budget_bytes=budget_bytes)

    def decode(self, packet: bytes, reference: Reference | None = None) -> Decoded:
        return self._inner.decode(packet, reference)

    def self_test(self) -> bytes:
        return self._inner.self_test()

    def warm_up(self, width: int, height: int) -> None:
        self._inner.warm_up(width, height)


class NotedController:
    """The product's controller, with a log of its budgets and estimates."""

    def __init__(self, interval_us: int, log: list[tuple[int, int | None, str, int, int]]) -> None:
        self._inner = CongestionController(frame_interval_us=interval_us)
        self._log = log

    @property
    def capacity_bps(self) -> int:
        return self._inner.capacity_bps

    @property
    def queue_us(self) -> int:
        return self._inner.queue_us

    @property
    def min_rtt_us(self) -> int | None:
        return self._inner.min_rtt_us

    def on_sent(self, frame_id: int, size_bytes: int, now_us: int) -> None:
        self._inner.on_sent(frame_id, size_bytes, now_us)

    def on_ack(self, ack: Ack, now_us: int) -> None:
        self._inner.on_ack(ack, now_us)

    def on_reset(self, now_us: int) -> None:
        self._inner.on_reset(now_us)

    def budget(self, now_us: int, *, encode_us: int, floor_bytes: int | None = None) -> Budget:
        budget = self._inner.budget(now_us, encode_us=encode_us, floor_bytes=floor_bytes)
        self._log.append(
            (now_us, budget.size_bytes, budget.reason, self.capacity_bps, self._inner.rate_bps)
        )
        return budget


def _send(options: argparse.Namespace, codec: Codec, frames: list[Frame]) -> dict[str, Any]:
    source = ClipSource(frames, fps=options.fps, seconds=options.seconds)
    budgets: list[tuple[int, int | None, str, int, int]] = []
    sent: list[dict[str, Any]] = []
    to_measure: list[tuple[int, Frame, Frame]] = []
    noted = NotedCodec(codec)
    endpoint = Endpoint(options.url, bind=True, insecure=True, tcp_control=options.tcp)
    if options.send_buffer:
        endpoint = replace(endpoint, send_buffer_bytes=options.send_buffer)
    sender = Sender(
        # Only the link limits: by default the sender caps quality at 42 dB.
        SenderConfig(endpoint, rules=Rules(quality=63)),
        codec=noted,
        source=source,
        congestion=lambda: NotedController(round(1e6 / options.fps), budgets),
    )

    def note(frame: SentFrame) -> None:
        if options.codec != "model" and len(sent) % _MEASURED == 0:
            to_measure.append((len(sent), frame.source, frame.reconstruction))
        sent.append(
            {
                "sequence": frame.sequence,
                "captured_us": frame.captured_us,
                "size": len(frame.packet),
                "budget": noted.last_budget,  # observers run in the thread that encoded
                "keyframe": frame.keyframe,
                "quality": frame.quality,
            }
        )

    sender.on_frame(note)
    sender.run(options.seconds + 5)
    for index, source_frame, coded in to_measure:
        shown = fitted(coded, source_frame.width, source_frame.height)
        sent[index]["psnr_db"] = psnr611(source_frame, shown)
        similarity = ssim(source_frame.y, shown.y)
        sent[index]["ssim_db"] = -10 * math.log10(max(1e-9, 1 - similarity))
    encode = sender.snapshot().encode
    return {
        "captured_us": source.captured_us,
        "budgets": budgets,
        "sent": sent,
        "encode_ms": encode.percentiles_ms(),
        "resolution_changes": sender.snapshot().resolution_changes,
    }


def _receive(options: argparse.Namespace, codec: Codec, _frames: list[Frame]) -> dict[str, Any]:
    shown: list[dict[str, Any]] = []
    endpoint = Endpoint(options.url, bind=False, max_message_bytes=MAX_PACKET_MESSAGE_BYTES)
    receiver = ReceiverDaemon(ReceiverConfig(endpoint, ends_with_stream=False), codec=codec)

    def note(frame: ShownFrame) -> None:
        meta = frame.meta
        latency = meta.latency
        arrived_us = meta.shown_us
        if latency is not None:
            arrived_us -= latency.buffer_us + latency.decode_us + latency.display_us
        shown.append(
            {"sequence": meta.sequence, "arrived_us": arrived_us, "shown_us": meta.shown_us}
        )

    receiver.on_frame(note)
    stopping = threading.Event()

    def wait_for_word() -> None:
        sys.stdin.readline()
        stopping.set()

    threading.Thread(target=wait_for_word, daemon=True).start()
    receiver.start()
    try:
        stopping.wait(options.seconds + 30)
    finally:
        receiver.stop()
    return {"shown": shown}


if __name__ == "__main__":
    main()
