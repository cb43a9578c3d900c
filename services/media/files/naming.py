# SPDX-License-Identifier: Apache-2.0
"""From what a person types to material that is to be coded: a file, a folder, `-`."""

from __future__ import annotations

from pathlib import Path

from services.errors import SourceError
from services.media.files.reader import Material, open_material
from services.settings.addresses import is_address, masked


def file_named(spec: str) -> Path:
    """The file of a name; `file:///a.mp4` is one."""
    return Path(spec.removeprefix("file://"))


def open_named(spec: str) -> Material:
    """Open a file, a folder, or the .y4m on standard input (`-`). Raises SourceError."""
    if spec == "-":
        from services.media.sources.piped import piped_frames  # noqa: PLC0415  (FFmpeg)

        rate, frames = piped_frames()
        return Material(frames, rate, None, still=False)
    if is_address(spec):
        raise SourceError(f"{masked(spec)}: an address; files are coded here, `send` takes both")
    return open_material(file_named(spec))
