# SPDX-License-Identifier: Apache-2.0
"""Viewers that decode nothing and time every frame: `python -m benchmarks.tree_viewers`.

One process with a thread for each viewer. Prints one JSON object: for each address the latencies
from capture to arrival, in microseconds. It must run on the sender's machine, whose clock it reads.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import threading
import time

from services.process.clock import boot_id, now_us
from services.protocol import messages as m
from services.protocol.intake import Intake, Results
from services.protocol.profile import Profile
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES, Endpoint
from services.wire.transport import Port

_POLL_MS = 20
_FLOWING = 30  # frames after which a stream counts as started
_PATIENCE_S = 120.0


class Viewer:
    """One viewer of an address, in a thread of its own until `stop`."""

    def __init__(self, url: str, *, boot: bytes) -> None:
        self.latencies_us: list[int] = []
        self.frames = 0
        self.keep = False
        self._port = Port(Endpoint(url, bind=False, max_message_bytes=MAX_PACKET_MESSAGE_BYTES))
        profile = Profile(b"", b"", "", "bench", secrets.randbits(64), boot)
        self._intake = Intake(profile, connects=True, now_us=now_us())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="viewer", daemon=True)
        self._port.open()
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the socket."""
        self._stop.set()
        self._port.wake()
        self._thread.join()
        self._port.close()

    def _work(self) -> None:
        ticked_us = 0
        while not self._stop.is_set():
            for _, data in self._port.poll(_POLL_MS).messages:
                self._act(self._intake.on_message(b"", data, now_us()))
            if now_us() - ticked_us > 50_000:
                ticked_us = now_us()
                self._act(self._intake.tick(ticked_us))

    def _act(self, results: Results) -> None:
        for peer, data in results.messages:
            self._port.send(peer, data)
        for arrival in results.arrivals:
            head = arrival.head
            self.frames += 1
            if self.keep:
                self.latencies_us.append(arrival.tail_us - head.captured_us)
            self._intake.keyframe_came()
            shown = m.FrameShown(
                head.epoch, head.sequence, m.Outcome.SHOWN, 0, m.MAX_SPAN_US, 0, 0, 0, 1
            )
            self._act(self._intake.shown(shown))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("urls", nargs="+")
    parser.add_argument("--count", type=int, default=1, help="viewers of each address")
    parser.add_argument("--settle", type=float, default=3.0, help="seconds before measuring")
    parser.add_argument("--seconds", type=float, default=10.0)
    wanted = parser.parse_args()
    boot = boot_id()
    viewers = {url: [Viewer(url, boot=boot) for _ in range(wanted.count)] for url in wanted.urls}
    every = [viewer for some in viewers.values() for viewer in some]
    give_up_s = time.monotonic() + _PATIENCE_S
    try:
        while any(viewer.frames < _FLOWING for viewer in every):
            if time.monotonic() > give_up_s:
                sys.exit("some address gave no frames")
            time.sleep(0.1)
        time.sleep(wanted.settle)
        for some in viewers.values():
            for viewer in some:
                viewer.keep = True
        time.sleep(wanted.seconds)
    finally:
        found = {url: [v.latencies_us for v in some] for url, some in viewers.items()}
        for some in viewers.values():
            for viewer in some:
                viewer.stop()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
