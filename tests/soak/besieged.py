# SPDX-License-Identifier: Apache-2.0
"""One end with keys and metrics, around the fake codec: `python -m tests.soak.besieged ROLE URL`.

Writes a JSON line of its statistics each second.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from services.process.descriptors import raise_limit
from services.protocol.planner import Rules
from services.receiver.daemon import ReceiverConfig, ReceiverDaemon
from services.relay.daemon import Feed, Relay, RelayConfig
from services.sender.daemon import Sender, SenderConfig
from services.view.access import Listen
from services.view.metrics import MetricsServer
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES, Endpoint
from services.wire.endpoint_keys import client_keys, server_keys
from services.wire.keys import Right
from streamcodec.frame import Frame
from tests.fakes import FakeCodec, FakeSink, FakeSource

FPS = 30.0


class _Forgetful(FakeSink):
    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        """Keep nothing."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("sender", "relay", "receiver"))
    parser.add_argument("url")
    parser.add_argument("--keys", type=Path, required=True)
    parser.add_argument("--upstream", default="")
    parser.add_argument("--metrics", type=int, default=0)
    arguments = parser.parse_args()
    raise_limit()
    end = _made(arguments.role, arguments.url, arguments.keys, arguments.upstream)
    server = None
    if arguments.metrics:
        server = MetricsServer(Listen("127.0.0.1", arguments.metrics), end.snapshot)
    try:
        end.start()
        while True:
            end.wait(1.0)
            line = {"at_s": time.monotonic()} | end.snapshot().as_json()
            sys.stdout.write(json.dumps(line, default=str) + "\n")
            sys.stdout.flush()
    finally:
        end.stop()
        if server is not None:
            server.close()


def _made(role: str, url: str, keys: Path, upstream: str) -> Sender | Relay | ReceiverDaemon:
    if role == "sender":
        return Sender(
            SenderConfig(
                Endpoint(url, bind=True, keys=server_keys(keys, peers_need=Right.VIEW)),
                rules=Rules(quality=40),
            ),
            codec=FakeCodec(),
            source=FakeSource(width=160, height=96, fps=FPS),
        )
    curve = client_keys(keys, peer_needs=Right.PUBLISH)
    if role == "receiver":
        end = Endpoint(url, bind=False, keys=curve, max_message_bytes=MAX_PACKET_MESSAGE_BYTES)
        return ReceiverDaemon(
            ReceiverConfig(end, ends_with_stream=False), codec=FakeCodec(), sinks=[_Forgetful()]
        )
    feed = Endpoint(upstream, bind=False, keys=curve, max_message_bytes=MAX_PACKET_MESSAGE_BYTES)
    down = Endpoint(
        url, bind=True, keys=server_keys(keys, peers_need=Right.VIEW), max_connections=2000
    )
    return Relay(RelayConfig((Feed(feed),), down))


if __name__ == "__main__":
    main()
