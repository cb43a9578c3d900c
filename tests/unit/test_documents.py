# SPDX-License-Identifier: Apache-2.0
"""What documents say of the source is there: files, links, and numbers that can be compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamcodec import bitstream
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
    outside = ("card.md", "/etc/")  # what commands write, and places of an installation
    missing = [n for n in _PATH.findall(text) if not n.startswith(outside) and not is_there(n)]
    folder = (ROOT / document).parent
    missing += [link for link in _LINK.findall(text) if not (folder / link).exists()]
    assert missing == []


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
