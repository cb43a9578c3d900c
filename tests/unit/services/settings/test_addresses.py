# SPDX-License-Identifier: Apache-2.0
"""Addresses are shown without what is secret in them, wherever they stand."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.measure.events import EventLog
from services.process import logs
from services.process.logs import ConsoleFormatter, JsonFormatter
from services.settings.addresses import is_address, masked


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://user:secret@camera.local:554/one", "rtsp://camera.local:554/one"),
        ("http://h/x?user=admin&pwd=S3cret", "http://h/x?***"),
        ("http://user@h/?x=user@y", "http://h/?***"),
        ("rtsp://u:p@ss/w0rd@host/one", "rtsp://host/one"),
        ("http://u:a?b@h/x", "http://h/x"),
        ("http://h/a@2x.png", "http://h/a@2x.png"),
        ("rtmp://h/live/key", "rtmp://h/live/***"),
        ("srt://h:9000?streamid=abc&passphrase=xx", "srt://h:9000?***"),
        ("rtsp://h/cam;pw=abc/x", "rtsp://h/cam;***"),
        ("https://h/a/0123456789abcdef0123456789abcdef/x.m3u8", "https://h/a/***/x.m3u8"),
        ("tcp://[::1]:5555", "tcp://[::1]:5555"),
        ("scene:640x360@30", "scene:640x360@30"),
        ("camera:/dev/video0:640x480@30", "camera:/dev/video0:640x480@30"),
        ("a.mp4", "a.mp4"),
    ],
)
def test_user_password_query_and_keys_are_not_shown(address: str, shown: str) -> None:
    assert masked(address) == shown
    assert masked(f"{address}: cannot be opened (refused)").startswith(shown)


@given(
    user=st.text("abcXYZ019-_.@", min_size=1, max_size=8),
    secret=st.text("abcXYZ019/@!", min_size=6, max_size=12).filter(lambda s: s.strip("/@!")),
)
def test_no_password_is_shown_whatever_signs_it_holds(user: str, secret: str) -> None:
    shown = masked(f"lost: rtsp://{user}:{secret}@camera.local/one (timed out)")
    assert shown == "lost: rtsp://camera.local/one (timed out)"


@given(st.text(max_size=60) | st.from_regex(r"[a-z]{2,5}://[ -~]{0,40}"))
def test_masking_twice_is_masking_once(text: str) -> None:
    assert masked(masked(text)) == masked(text)


def test_logs_and_events_mask_what_they_are_given() -> None:
    secret = "http://admin:S3cret@h/x?token=abc123"
    record = logging.LogRecord("streamcodec.x", 30, "", 0, "lost", None, None)
    seen: list[logging.LogRecord] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    logger = logging.getLogger("streamcodec.masking")
    handler = Keeps()
    logger.addHandler(handler)
    try:
        logs.get("masking").error("lost", source=secret, number=3)
    finally:
        logger.removeHandler(handler)
    record = seen[0]
    assert json.loads(JsonFormatter().format(record))["source"] == "http://h/x?***"
    assert "S3cret" not in ConsoleFormatter().format(record)
    events = EventLog()
    events.add(0, "source_lost", f"{secret}: gone")
    assert events.snapshot()[0].text == "http://h/x?***: gone"


def test_addresses_are_known_by_their_schemes() -> None:
    assert is_address("rtsp://user:secret@camera.local:554/one?two")
    assert not is_address("folder/clip.mp4")
    assert not is_address("2024-01-31T12:30:05.mp4")
