# SPDX-License-Identifier: Apache-2.0
"""One end of a stream as a process: `python -m tests.soak.ends sender URL --log FILE`.

Writes a JSON line when it is up and one each second to standard output, and one line per picture
(epoch, sequence, checksum of the pixels, time, latency) to the log, unbuffered, so that both
survive a kill -9.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import zlib
from contextlib import ExitStack
from pathlib import Path

from services.commands.codecs import load_codec
from services.media.sources import Source, open_source
from services.protocol.planner import Rules
from services.receiver.daemon import ReceiverConfig, ReceiverDaemon, ShownFrame
from services.sender.daemon import Sender, SenderConfig, SentFrame
from services.settings.config import CodecSettings
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES, Endpoint
from streamcodec.codec import Codec
from streamcodec.frame import Frame
from streamcodec.parallel import Threads
from tests.fakes import FakeCodec, FakeSink, FakeSource


class _Forgetful(FakeSink):
    """A screen that keeps nothing, for runs of minutes."""

    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        time.sleep(self.delay_s)


def main() -> None:
    arguments = _arguments()
    log = os.open(arguments.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(epoch: int, sequence: int, frame: Frame, *, latency_us: int = 0) -> None:
        line = f"{epoch} {sequence} {checksum(frame)} {_now_us()} {latency_us}\n"
        os.write(log, line.encode())

    end: Sender | ReceiverDaemon
    with ExitStack() as stack:
        if arguments.role == "sender":
            threads = stack.enter_context(Threads())  # as `streamcodec send` does
            source: Source = (
                FakeSource(width=arguments.width, height=arguments.height, fps=arguments.fps)
                if arguments.source == "fake"
                else open_source(arguments.source, loop=True)
            )
            rules = Rules(kbps=arguments.kbps, quality=arguments.quality)
            end = Sender(
                SenderConfig(Endpoint(arguments.url, bind=True), rules=rules),
                codec=_codec(arguments.codec).sharing(threads),
                source=source,
            )
            epoch = end.snapshot().epoch

            def sent(frame: SentFrame) -> None:
                note(epoch, frame.sequence, frame.reconstruction)

            end.on_frame(sent)
        else:
            codec = _codec(arguments.codec)
            codec.warm_up(arguments.width, arguments.height)
            end = ReceiverDaemon(
                ReceiverConfig(
                    Endpoint(arguments.url, bind=False, max_message_bytes=MAX_PACKET_MESSAGE_BYTES),
                    name=arguments.name,
                ),
                codec=codec,
                sinks=[_Forgetful(delay_s=arguments.delay_s)],
            )

            def shown(frame: ShownFrame) -> None:
                meta = frame.meta
                note(meta.epoch, meta.sequence, frame.frame, latency_us=meta.latency_us or 0)

            end.on_frame(shown)
        _run(end, arguments.seconds)


def checksum(frame: Frame) -> int:
    """CRC-32 of all planes."""
    value = 0
    for plane in frame.planes:
        value = zlib.crc32(plane.tobytes(), value)
    return value


def _codec(name: str) -> Codec:
    return FakeCodec() if name == "fake" else load_codec(CodecSettings(size=name))


def _run(end: Sender | ReceiverDaemon, seconds: float) -> None:
    try:
        end.start()
        _print({"up_us": _now_us()})
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            end.wait(1.0)
            snapshot = end.snapshot()
            _print(snapshot.as_json() | {"at_us": snapshot.at_us})
    finally:
        end.stop()


def _print(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _now_us() -> int:
    return time.monotonic_ns() // 1000


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("sender", "receiver"))
    parser.add_argument("url")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--codec", default="S", help="size of the real one, or fake")
    parser.add_argument("--source", default="fake")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--kbps", type=float)
    parser.add_argument("--quality", type=int, default=40)
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=1e6)
    parser.add_argument("--name", default="receiver")
    return parser.parse_args()


if __name__ == "__main__":
    main()
