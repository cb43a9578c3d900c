# SPDX-License-Identifier: Apache-2.0
"""Where a relay's streams come from, as people write it."""

from __future__ import annotations

import pytest

from services.errors import ConfigError
from services.relay.assemble import parse_feeds

DOOR, YARD = "tcp://10.0.0.5:5555", "tcp://10.0.0.6:5555"


@pytest.mark.parametrize(
    ("text", "stream", "feeds"),
    [
        (DOOR, "", [("", DOOR)]),
        (DOOR, "door", [("door", DOOR)]),
        (f"door={DOOR}", "", [("door", DOOR)]),
        (f"door={DOOR}, yard={YARD},", "", [("door", DOOR), ("yard", YARD)]),
        (f"door={DOOR},yard={DOOR}", "", [("door", DOOR), ("yard", DOOR)]),
        ("ipc:///run/a=b", "", [("", "ipc:///run/a=b")]),
    ],
)
def test_addresses_are_read_with_their_names(
    text: str, stream: str, feeds: list[tuple[str, str]]
) -> None:
    assert list(parse_feeds(text, stream=stream)) == feeds


@pytest.mark.parametrize(
    ("text", "stream", "told"),
    [
        ("", "", "1 to 64"),
        (",".join(f"s{n}={DOOR}" for n in range(65)), "", "1 to 64"),
        (f"{DOOR},{YARD}", "", "NAME=URL"),
        (f"door={DOOR},door={YARD}", "", "one name"),
        (f"door={DOOR},yard={YARD}", "door", "relay.stream"),
        (f"door={DOOR}", "yard", "relay.stream"),
    ],
)
def test_what_cannot_be_told_apart_is_one_sentence(text: str, stream: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_feeds(text, stream=stream)
