# SPDX-License-Identifier: Apache-2.0
"""The .scv file: packets with their times, an index of keyframes at the end (docs/container.md)."""

from streamcodec.container.format import (
    HEADER_BYTES,
    MAGIC,
    RECORD_BYTES,
    VERSION,
    FileHeader,
    Place,
    Record,
)
from streamcodec.container.reader import ScvReader
from streamcodec.container.writer import ScvWriter

__all__ = [
    "HEADER_BYTES",
    "MAGIC",
    "RECORD_BYTES",
    "VERSION",
    "FileHeader",
    "Place",
    "Record",
    "ScvReader",
    "ScvWriter",
]
