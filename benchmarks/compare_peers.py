# SPDX-License-Identifier: Apache-2.0
"""Other ways to send live video over ZeroMQ, each used as its documentation recommends.

    imagezmq   PUB/SUB, JPEG of quality 95 as in its examples
    netgear    VidGear NetGear, REQ/REP with its JPEG compression (quality 90, fast DCT)
    x264       libx264 veryfast zerolatency at a fixed rate over this project's own transport;
               a frame is skipped before encoding when the socket is full

`python -m benchmarks.compare_peers SYSTEM ROLE ...` runs one end in a process of its own, with the
same protocol as benchmarks/link_worker.py.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.link_worker import ClipSource
from benchmarks.material import load_clips
from services.process.clock import now_us
from services.wire.endpoint import Endpoint
from services.wire.transport import Port, SendResult
from streamcodec.frame import Frame
from streamcodec.metrics import psnr611, ssim

Picture = npt.NDArray[np.uint8]
_KEPT = 5  # quality is measured on every n-th frame, after the run
_MARK_PX = 16
_IDLE_S = 3.0
_HEAD = struct.Struct("<I")


class Out(Protocol):
    """The sending half of a system: True when the frame went, None when it was skipped."""

    def send(self, index: int, frame: Frame) -> int | None: ...


def main() -> None:
    """Run one end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("system", choices=sorted(SENDERS))
    parser.add_argument("role", choices=("sender", "receiver"))
    parser.add_argument("--url", required=True)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--kbps", type=int, default=1600)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    frames = list(next(iter(load_clips(options.clip.parent, only=options.clip.stem))).frames)
    print("ready", flush=True)
    sys.stdin.readline()
    run = _send if options.role == "sender" else _receive
    options.out.write_text(json.dumps(run(options, frames)), encoding="utf-8")
    # Some of these libraries keep threads that never end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _send(options: argparse.Namespace, frames: list[Frame]) -> dict[str, Any]:
    out = SENDERS[options.system](options, frames[0])
    source = ClipSource(frames, fps=options.fps, seconds=options.seconds)
    sent: dict[int, int] = {}
    captured_us: list[int] = []
    # Like a camera thread: a frame not taken in time is replaced by the next capture.
    start_us = now_us()
    index = 0
    while (index := max(index, int((now_us() - start_us) * options.fps / 1e6))) < int(
        options.seconds * options.fps
    ):
        due_us = start_us + round(index * 1e6 / options.fps)
        time.sleep(max(0, due_us - now_us()) / 1e6)
        while len(captured_us) <= index:
            captured_us.append(start_us + round(len(captured_us) * 1e6 / options.fps))
        size = out.send(index, source.frame(index))
        if size is not None:
            sent[index] = size
        index += 1
    time.sleep(_IDLE_S)
    return {"captured_us": captured_us, "sent": sent}


def _receive(options: argparse.Namespace, frames: list[Frame]) -> dict[str, Any]:
    source = ClipSource(frames, fps=options.fps, seconds=options.seconds)
    shown: list[dict[str, Any]] = []
    kept: list[tuple[int, Frame]] = []
    end_us = now_us() + round((options.seconds + _IDLE_S) * 1e6)
    for index, at_us, picture in RECEIVERS[options.system](options):
        if len(shown) % _KEPT == 0:
            kept.append((len(shown), picture()))
        shown.append({"index": index, "shown_us": at_us})
        if now_us() > end_us:
            break
    for position, frame in kept:
        original = source.frame(shown[position]["index"])
        if options.system == "netgear":
            original = marked(original, 0)
            frame = _unmarked(frame)  # noqa: PLW2901  # the mark is no part of the picture
            original = _unmarked(original)
        shown[position]["psnr_db"] = psnr611(original, frame)
        similarity = ssim(original.y, frame.y)
        shown[position]["ssim_db"] = -10 * math.log10(max(1e-9, 1 - similarity))
    return {"shown": shown}


# --- imageZMQ


class _ImageZmqOut:
    def __init__(self, options: argparse.Namespace, _first: Frame) -> None:
        import imagezmq  # noqa: PLC0415  # optional

        self._sender = imagezmq.ImageSender(connect_to=options.url, REQ_REP=False)

    def send(self, index: int, frame: Frame) -> int | None:
        _, data = cv2.imencode(".jpg", frame.to_bgr(), [cv2.IMWRITE_JPEG_QUALITY, 95])
        self._sender.send_jpg(str(index), data)
        return int(data.size)


def _imagezmq_in(options: argparse.Namespace) -> Iterator[tuple[int, int, Callable[[], Frame]]]:
    import imagezmq  # noqa: PLC0415  # optional

    hub = imagezmq.ImageHub(open_port=options.url, REQ_REP=False)
    hub.zmq_socket.setsockopt(27, int(_IDLE_S * 1000))  # RCVTIMEO: an ended run must end here too
    while True:
        try:
            index, data = hub.recv_jpg()
        except Exception:  # any exception of the library for a timeout
            return
        picture = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), -1), np.uint8)
        at_us = now_us()
        yield int(index), at_us, lambda p=picture: Frame.from_bgr(p)  # type: ignore[misc]


# --- VidGear NetGear

_NETGEAR = {
    "jpeg_compression": True,
    "jpeg_compression_quality": 90,
    "jpeg_compression_fastdct": True,
    "jpeg_compression_fastupsample": True,
    "max_retries": 100,
}


class _NetGearOut:
    def __init__(self, options: argparse.Namespace, _first: Frame) -> None:
        from vidgear.gears import NetGear  # noqa: PLC0415  # optional

        host, port = options.url.removeprefix("tcp://").rsplit(":", 1)
        self._server = NetGear(address=host, port=port, protocol="tcp", pattern=1, **_NETGEAR)

    def send(self, index: int, frame: Frame) -> int | None:
        self._server.send(marked(frame, index).to_bgr())
        return 1  # the library does not report it


def _netgear_in(options: argparse.Namespace) -> Iterator[tuple[int, int, Callable[[], Frame]]]:
    from vidgear.gears import NetGear  # noqa: PLC0415  # optional

    host, port = options.url.removeprefix("tcp://").rsplit(":", 1)
    client = NetGear(
        address=host, port=port, protocol="tcp", pattern=1, receive_mode=True, **_NETGEAR
    )
    end_s = time.monotonic() + options.seconds + _IDLE_S
    while time.monotonic() < end_s:
        picture = client.recv()
        if picture is None:
            return
        at_us = now_us()
        frame = Frame.from_bgr(np.ascontiguousarray(picture))
        yield read_mark(frame), at_us, lambda f=frame: f  # type: ignore[misc]


def marked(frame: Frame, index: int) -> Frame:
    """The frame with its number as black and white squares in the top row."""
    y = frame.y.copy()
    for bit in range(16):
        left = bit * _MARK_PX
        y[:_MARK_PX, left : left + _MARK_PX] = 220 if index >> bit & 1 else 30
    return Frame(y, frame.u, frame.v)


def read_mark(frame: Frame) -> int:
    """The number that `marked` wrote."""
    squares = frame.y[4:12, : 16 * _MARK_PX].reshape(8, 16, _MARK_PX)[:, :, 4:12]
    bits = squares.mean(axis=(0, 2)) > 125
    return int(sum(1 << bit for bit in range(16) if bits[bit]))


def _unmarked(frame: Frame) -> Frame:
    half = _MARK_PX // 2
    return Frame(frame.y[_MARK_PX:], frame.u[half:], frame.v[half:])


# --- x264 over our own transport


class _X264Out:
    def __init__(self, options: argparse.Namespace, first: Frame) -> None:
        self._port = Port(Endpoint(options.url, bind=True))
        self._port.open()
        self._peer: bytes | None = None
        context = av.CodecContext.create("libx264", "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height = first.width, first.height
        context.pix_fmt = "yuv420p"
        context.time_base = Fraction(1, round(options.fps))
        context.framerate = Fraction(round(options.fps))
        context.thread_count = 1
        context.options = {
            "preset": "veryfast",
            "tune": "zerolatency",
            "b": f"{options.kbps}k",
            "maxrate": f"{options.kbps}k",
            "bufsize": f"{options.kbps // 8}k",  # an eighth of a second
            "g": "300",
        }
        self._context = context
        self._waiting: bytes | None = None

    def send(self, index: int, frame: Frame) -> int | None:
        for peer, _ in self._port.poll(0).messages:
            self._peer = peer
        if self._peer is None:
            return None
        if self._waiting is not None:
            if self._port.send(self._peer, self._waiting) is not SendResult.SENT:
                return None
            self._waiting = None
        picture = av.VideoFrame(frame.width, frame.height, "yuv420p")
        for plane, ours in zip(picture.planes, frame.planes, strict=True):
            padded = np.zeros((plane.height, plane.line_size), np.uint8)
            padded[:, : plane.width] = ours
            plane.update(padded.tobytes())
        picture.pts = index
        packets = self._context.encode(picture)
        data = _HEAD.pack(index) + b"".join(bytes(packet) for packet in packets)
        if self._port.send(self._peer, data) is not SendResult.SENT:
            self._waiting = data
        return len(data)


def _x264_in(options: argparse.Namespace) -> Iterator[tuple[int, int, Callable[[], Frame]]]:
    from services.media.avframes import native_planes  # noqa: PLC0415  # with its reader

    context = av.CodecContext.create("h264", "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    end_us = now_us() + round((options.seconds + _IDLE_S) * 1e6)
    hello_us = 0
    with Port(Endpoint(options.url, bind=False, max_message_bytes=1 << 24)) as port:
        while now_us() < end_us:
            if now_us() - hello_us > 500_000:
                port.send(b"", b"hello")
                hello_us = now_us()
            for _, data in port.poll(50).messages:
                index = _HEAD.unpack_from(data)[0]
                for picture in context.decode(av.Packet(data[_HEAD.size :])):
                    at_us = now_us()
                    yield index, at_us, lambda p=picture: native_planes(p)  # type: ignore[misc]


SENDERS: dict[str, Callable[[argparse.Namespace, Frame], Out]] = {
    "imagezmq": _ImageZmqOut,
    "netgear": _NetGearOut,
    "x264": _X264Out,
}
RECEIVERS: dict[
    str, Callable[[argparse.Namespace], Iterator[tuple[int, int, Callable[[], Frame]]]]
] = {"imagezmq": _imagezmq_in, "netgear": _netgear_in, "x264": _x264_in}


if __name__ == "__main__":
    main()
