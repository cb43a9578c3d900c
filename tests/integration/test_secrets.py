# SPDX-License-Identifier: Apache-2.0
"""A stream from an address with secrets in it: none of them is in anything that is given out."""

from __future__ import annotations

import json
import logging
import socket
import time
from itertools import count

import cv2
import numpy as np
import pytest

from services.commands.config import as_object
from services.errors import SourceError
from services.media.sources import open_source
from services.process import logs
from services.protocol.planner import Rules
from services.sender.daemon import Sender, SenderConfig
from services.settings.config import LogSettings
from services.settings.lookup import resolve
from services.view.metrics import render
from services.wire.endpoint import Endpoint
from tests.fakes import FakeCodec
from tests.integration.test_stream import ANY_PORT
from tests.integration.test_stream_source import serving

pytestmark = pytest.mark.live

SECRETS = ("S3cret", "admin", "t0ken")


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_output_of_a_sender_shows_what_its_address_hides(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    served = count()

    def answer(peer: socket.socket, _asked: str) -> None:
        if next(served) > 1:
            peer.sendall(b"HTTP/1.0 403 Forbidden\r\n\r\n")
            return
        peer.sendall(
            b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=f\r\n\r\n"
        )
        head = b"--f\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
        for _ in range(20):
            peer.sendall(head + picture + b"\r\n")

    logs.configure(LogSettings(format=form, level="debug"))
    try:
        with serving(answer) as host:
            address = f"http://admin:S3cret@{host}/cam?token=t0ken"
            source = open_source(address)
            sender = Sender(
                SenderConfig(Endpoint(ANY_PORT, bind=True), rules=Rules(quality=20)),
                codec=FakeCodec(),
                source=source,
            )
            sender.start()
            logs.get("send").info("sending", source=address, url=sender.url)
            until = time.monotonic() + 20
            while not sender.snapshot().source_restarts and time.monotonic() < until:
                time.sleep(0.05)
            snapshot = sender.snapshot()
            sender.stop()
    finally:
        logging.getLogger("streamcodec").handlers.clear()
    given_out = {
        "log": "".join(capsys.readouterr()),
        "statistics": json.dumps(snapshot.as_json()),
        "events": repr(snapshot.events),
        "metrics": render(lambda: snapshot).decode(),
        "settings": json.dumps(as_object(resolve({"sender.source": address}, environ={}))),
        "source": getattr(source, "name", ""),
    }
    assert "sending" in given_out["log"]
    assert snapshot.source_restarts
    for place, text in given_out.items():
        for secret in SECRETS:
            assert secret not in text, place


def test_the_sentence_about_a_secret_address_names_its_host() -> None:
    with pytest.raises(SourceError, match=r"^http://127\.0\.0\.1:1/x\?\*\*\*: cannot be opened"):
        open_source("http://127.0.0.1:1/x?user=admin&pwd=S3cret")
