# SPDX-License-Identifier: Apache-2.0
"""All attacks at once, by one who has a key: `python -m tests.soak.mob URL... --keys FOLDER`.

Loopback only. Each attack is a thread that begins again whenever it is cut, until the process is
ended. A JSON line at the end says what each did.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import zmq

from services.protocol import messages as m
from services.protocol.packing import pack, unpack
from services.wire.endpoint import CurveClient
from services.wire.endpoint_keys import client_keys
from services.wire.keys import Right
from tests.attackers import CurvePeer
from tests.fakes import FakeCodec

IDLE = 300
SQUATTERS = 40
SLOW_REQUESTS = 150
CODEC = FakeCodec()


class Mob:
    """Counts what the threads do."""

    def __init__(self, keys: CurveClient) -> None:
        self.keys = keys
        self.done: Counter[str] = Counter()
        self.stopping = threading.Event()

    def raw(self, url: str) -> CurvePeer:
        """A peer past its handshake, below the messages."""
        return CurvePeer(
            url,
            public=self.keys.public_key,
            secret=self.keys.secret_key,
            server=self.keys.server_key,
        )

    def dealer(self, url: str) -> zmq.Socket[bytes]:
        """A peer that speaks messages."""
        made = zmq.Context.instance().socket(zmq.DEALER)
        made.linger, made.sndhwm, made.rcvhwm, made.sndtimeo = 0, 1000, 1000, 100
        made.curve_publickey, made.curve_secretkey = self.keys.public_key, self.keys.secret_key
        made.curve_serverkey = self.keys.server_key
        made.connect(url)
        return made

    def again(self, attack: Callable[[str], None], url: str) -> None:
        """Run an attack until the end; it ends by itself whenever it is cut."""
        while not self.stopping.is_set():
            with contextlib.suppress(OSError, zmq.ZMQError, AssertionError):
                attack(url)
            self.stopping.wait(0.1)

    # -- attacks -------------------------------------------------------------------------------

    def endless(self, url: str) -> None:
        """Parts of one message without end."""
        peer = self.raw(url)
        self.done["endless bytes"] += peer.endless(random.choice((0, 100, 4000)), 100_000_000)
        self.done["endless"] += 1
        peer.close()

    def flood(self, url: str) -> None:
        """PINGs, as many as go."""
        peer = self.raw(url)
        ping = b"".join(peer.part(pack(m.Ping(n, n)), more=False) for n in range(100))
        for _ in range(1000):
            peer.send_raw(ping)
            self.done["pings"] += 100
        peer.close()

    def liar(self, url: str) -> None:
        """A viewer that asks for a keyframe with each frame."""
        self._watch(url, lambda head: m.KeyframeReason.DAMAGED, relay=False)

    def pretender(self, url: str) -> None:
        """One that calls itself a relay, and asks for others."""
        self._watch(url, lambda head: m.KeyframeReason.USER, relay=True)

    def newcomers(self, url: str) -> None:
        """A new instance three times a second on one connection."""
        sock = self.dealer(url)
        while not self.stopping.is_set():
            sock.send(pack(_hello(relay=False)))
            self.done["newcomers"] += 1
            end = time.monotonic() + 0.3
            while (left := end - time.monotonic()) > 0:
                if sock.poll(int(left * 1000)):
                    said = unpack(sock.recv())
                    if isinstance(said, m.Welcome):
                        sock.send(pack(m.Ready(said.epoch)))
        sock.close()

    def squatters(self, url: str) -> None:
        """Many that take a place and never watch."""
        socks = [self.dealer(url) for _ in range(SQUATTERS)]
        while not self.stopping.wait(0.5):
            for sock in socks:
                with contextlib.suppress(zmq.Again):
                    sock.send(pack(_hello(relay=False)))
                    self.done["hellos"] += 1
                while sock.poll(0):
                    sock.recv()
        for sock in socks:
            sock.close()

    def mute(self, url: str) -> None:
        """Connections that say half a greeting."""
        self._hold(url, IDLE, b"\xff" + bytes(8) + b"\x7f\x03", b"")

    def slow_requests(self, url: str) -> None:
        """HTTP requests whose headers never end."""
        self._hold(url, SLOW_REQUESTS, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ", b"a")

    def deaf(self, url: str) -> None:
        """A viewer that takes nothing from its socket any more."""
        sock = self.dealer(url)
        sock.send(pack(_hello(relay=False)))
        if sock.poll(3000):
            said = unpack(sock.recv())
            if isinstance(said, m.Welcome):
                sock.send(pack(m.Ready(said.epoch)))
                self.done["deaf"] += 1
        self.stopping.wait(3.0)
        sock.close()

    def _hold(self, url: str, count: int, begin: bytes, more: bytes) -> None:
        parts = urlsplit(url)
        held: list[socket.socket] = []
        while not self.stopping.wait(0.2):
            while len(held) < count:
                try:
                    one = socket.create_connection((parts.hostname, parts.port), 1.0)
                    one.sendall(begin)
                    one.setblocking(False)
                except OSError:
                    break
                held.append(one)
                self.done[f"connections {parts.port}"] += 1
            held = [one for one in held if self._lives(one, more)]
        for one in held:
            one.close()

    @staticmethod
    def _lives(one: socket.socket, more: bytes) -> bool:
        try:
            one.send(more)
            if one.recv(4096):
                return True
        except BlockingIOError:
            return True
        except OSError:
            pass
        one.close()
        return False

    def _watch(
        self, url: str, wants: Callable[[m.FrameHead], m.KeyframeReason], *, relay: bool
    ) -> None:
        sock = self.dealer(url)
        epoch, head, asked_s = None, None, 0.0
        while not self.stopping.is_set():
            if epoch is None and time.monotonic() - asked_s > 0.5:
                asked_s = time.monotonic()
                sock.send(pack(_hello(relay=relay)))
            if not sock.poll(100):
                continue
            said = unpack(sock.recv())
            now_us = time.monotonic_ns() // 1000
            match said:
                case m.Welcome():
                    epoch = said.epoch
                    sock.send(pack(m.Ready(epoch)))
                case m.Ping():
                    sock.send(pack(m.Pong(said.number, said.sent_us, now_us, now_us)))
                case m.Bye():
                    epoch = None
                case m.FrameHead():
                    head = said
            whole = isinstance(said, m.FrameRest) or (
                isinstance(said, m.FrameHead) and said.size_bytes == len(said.first)
            )
            if not whole or head is None or epoch is None:
                continue
            ack = m.FrameAck(epoch, head.sequence, head.size_bytes, now_us, now_us)
            shown = m.FrameShown(
                epoch, head.sequence, m.Outcome.SHOWN, 0, m.MAX_SPAN_US, 0, 0, 0, 1000
            )
            request = m.KeyframeRequest(epoch, head.sequence, wants(head))
            for message in (ack, shown, request):
                sock.send(pack(message))
            self.done["keyframe requests"] += 1


def _hello(*, relay: bool) -> m.Hello:
    model, test = (b"", b"") if relay else (CODEC.model_hash, CODEC.self_test())
    return m.Hello((m.VERSION,), model, test, "", "mallory", random.getrandbits(64), b"")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs="+", help="of ports to attack; http:// for metrics")
    parser.add_argument("--keys", type=Path, required=True)
    arguments = parser.parse_args()
    assert all(urlsplit(url).hostname == "127.0.0.1" for url in arguments.urls), "loopback only"
    mob = Mob(client_keys(arguments.keys, peer_needs=Right.PUBLISH))
    signal.signal(signal.SIGTERM, lambda *_: mob.stopping.set())
    threads = []
    for url in arguments.urls:
        attacks = (
            [mob.slow_requests]
            if url.startswith("http")
            else [
                *(mob.endless, mob.flood, mob.liar, mob.pretender, mob.newcomers),
                *(mob.squatters, mob.mute, mob.deaf),
            ]
        )
        threads += [threading.Thread(target=mob.again, args=(a, url)) for a in attacks]
    for thread in threads:
        thread.start()
    mob.stopping.wait()
    for thread in threads:
        thread.join(15.0)
    sys.stdout.write(json.dumps(mob.done) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
