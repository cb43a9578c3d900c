# SPDX-License-Identifier: Apache-2.0
"""What documents say of the source is there: files, links, and numbers that can be compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.protocol import broadcast, fanout, messages, planner, viewer
from services.rate import congestion, enough
from services.wire import endpoint
from streamcodec import bitstream
from streamcodec.networks import prior
from tests.reference.features import SMALLER

ROOT = Path(__file__).parents[2]
FOLLOWED = (
    "docs/architecture.md",
    "docs/bitstream.md",
    "docs/glossary.md",
    "docs/how-it-works.md",
    "docs/training.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
)
_PATH = re.compile(r"`([\w./-]+/[\w.-]*|[\w-]+\.(?:py|pyi|cpp|hpp|md))`")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def is_there(name: str) -> bool:
    """Paths count from the root, or from the codec's room as the bitstream's text has them."""
    rooms = (ROOT, ROOT / "streamcodec", ROOT / "streamcodec" / "networks" / "conv")
    return any((room / name).exists() for room in rooms)


def test_every_file_that_the_architecture_names_exists() -> None:
    named = _PATH.findall(text_of("docs/architecture.md"))
    assert len(named) > 60
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("document", FOLLOWED)
def test_every_file_and_link_of_a_document_exists(document: str) -> None:
    text = text_of(document)
    outside = ("card.md", "OUT/", "/etc/")  # what commands write, and places of an installation
    missing = [n for n in _PATH.findall(text) if not n.startswith(outside) and not is_there(n)]
    folder = (ROOT / document).parent
    missing += [link for link in _LINK.findall(text) if not (folder / link).exists()]
    assert missing == []


def _told() -> dict[str, tuple[str, str]]:
    """What a page says of a number: the page, and its words with the number in the code."""
    tuning = congestion.Tuning()
    send_kib = endpoint.Endpoint("tcp://127.0.0.1:1", bind=False).send_buffer_bytes // 1024
    packet = f"{messages.MAX_PACKET_BYTES // 2**20} MiB + 64"
    assert endpoint.MAX_PACKET_MESSAGE_BYTES == messages.MAX_PACKET_BYTES + 64
    oldest, newest = bitstream.VERSIONS
    return {
        "versions": (
            "README.md",
            f"version {newest} is documented (and {oldest} is read)",
        ),
        "features": (
            "docs/bitstream.md",
            f"({prior.KEY_FEATURES} numbers in a keyframe, {prior.INTER_FEATURES} in an inter",
        ),
        "protocol": ("docs/protocol.md", f"the protocol version, now **{messages.VERSION}**"),
        "send buffer": ("docs/protocol.md", f"send buffer is {send_kib} KiB"),
        "messages": (
            "docs/protocol.md",
            f"at most {endpoint.MAX_SMALL_MESSAGE_BYTES} bytes, a receiver of {packet}",
        ),
        "receivers of a sender": (
            "docs/protocol.md",
            f"| {broadcast.MAX_VIEWERS}, of one key {broadcast.MAX_OF_ONE_KEY}, then BYE",
        ),
        "receivers of a relay": (
            "docs/protocol.md",
            f"| {fanout.MAX_FOLLOWERS}, of one key {fanout.MAX_OF_ONE_KEY}, then BYE",
        ),
        "references": (
            "docs/protocol.md",
            f"| {planner.MAX_PINNED} beyond the last {viewer.REFERENCES_HELD} |",
        ),
        "enough": ("docs/link.md", f"luma has {enough.ENOUGH_DB:g} dB"),
        "most quality": ("docs/link.md", f"at index {enough.MOST_QUALITY}, the most"),
        "smooth": ("docs/link.md", f"up to {tuning.smooth_backlog_us // 1000} ms wait ahead"),
        "silence": ("docs/link.md", f"overdue by {tuning.smooth_silence_us // 1000} ms"),
    }


@pytest.mark.parametrize("what", _told())
def test_a_number_that_a_page_tells_is_that_of_the_code(what: str) -> None:
    page, words = _told()[what]
    assert words in " ".join(text_of(page).split())


def test_the_bitstream_is_described_in_its_present_version() -> None:
    title = text_of("docs/bitstream.md").partition("\n")[0]
    assert title == f"# The bitstream, version {bitstream.VERSION}"


def test_the_ties_of_the_basis_are_those_of_the_plain_twin() -> None:
    section = text_of("docs/bitstream.md").partition("## 18. Ties")[2]
    found = {}
    for size, u, v, masks in re.findall(r"\| (\d+) \| \((\d), (\d)\) \| ([0-9a-f ]+)", section):
        rows = [int(mask, 16) for mask in masks.replace(" in all", "").split() if mask != "in"]
        found[int(size), int(u), int(v)] = rows * (int(size) if len(rows) == 1 else 1)
    assert found.pop((16, 0, 0)) == [0] * 16  # the twin leaves it out: nothing changes there
    assert found == SMALLER
