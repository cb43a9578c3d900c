# SPDX-License-Identifier: Apache-2.0
"""The README as the package's page shows it: pictures and links by their address.

In a checkout they are paths, so that they work without a network; the page of a package has no
files beside it. Called by scikit-build-core (`tool.scikit-build.metadata.readme`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LINK = re.compile(r"(!?)\[([^]]*)\]\((?!https?:|#)([^)]+)\)")


def dynamic_metadata(
    field: str, settings: Mapping[str, object], project: Mapping[str, Any]
) -> dict[str, str]:
    """The field `readme` of the project's metadata."""
    if field != "readme" or settings:
        raise ValueError(f"only the readme, without settings, is made here; not {field}")
    text = Path("README.md").read_text(encoding="utf-8")
    address = with_addresses(text, source=project["urls"]["Source"], version=project["version"])
    return {"content-type": "text/markdown", "text": address}


def with_addresses(text: str, *, source: str, version: str) -> str:
    """`text` with each path of a picture or link as an address below `source` at that version."""

    def address(found: re.Match[str]) -> str:
        picture, words, path = found.groups()
        kind = "raw" if picture else "blob"
        return f"{picture}[{words}]({source}/{kind}/v{version}/{path})"

    return _LINK.sub(address, text)
