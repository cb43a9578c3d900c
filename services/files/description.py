# SPDX-License-Identifier: Apache-2.0
"""What is inside a .scv file."""

from __future__ import annotations

from pathlib import Path

from services.files.scv import open_scv, places_of
from services.files.summary import Coded
from streamcodec.bitstream import VERSION
from streamcodec.container import VERSION as CONTAINER_VERSION


def describe_file(source: Path) -> dict[str, object]:
    """What `info` prints: the same figures as `encode`, with versions and hashes."""
    sizes: list[int] = []
    keyframes = last_us = pixels = width = height = 0
    with open_scv(source) as reader:
        for place in places_of(reader, source):
            if not sizes:
                width, height = place.width, place.height
            sizes.append(place.packet_bytes)
            pixels += place.width * place.height
            keyframes += place.keyframe
            last_us = place.timestamp_us
        header = reader.header
        coded = Coded(
            frame_bytes=sizes,
            keyframes=keyframes,
            pixels=pixels,
            fps=header.fps,
            seconds=last_us / 1e6 + 1 / float(header.fps) if sizes else 0.0,
            psnr_db=(),
            coding_s=0.0,
        )
        found = coded.as_json()
        for name in ("skipped", "frames_damaged", "coding_seconds", "coding_fps"):
            del found[name]
        return found | {
            "width": width,
            "height": height,
            "size": header.size,
            "model_hash": header.model_hash.hex(),
            "container_version": CONTAINER_VERSION,
            "bitstream_version": VERSION,
            "file_bytes": source.stat().st_size,
            "complete": reader.indexed,
        }


def stored_size(source: Path) -> str:
    """The size letter of the model that a file was made with."""
    with open_scv(source) as reader:
        return reader.header.size
