# SPDX-License-Identifier: Apache-2.0
"""Reading .scv files and writing any, with errors as a person is told them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.errors import SourceError
from services.media.boundary import writing
from streamcodec.container import Place, Record, ScvReader
from streamcodec.errors import BitstreamError


@contextmanager
def open_scv(path: Path) -> Iterator[ScvReader]:
    """A reader, with its errors as SourceError."""
    try:
        reader = ScvReader(path)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from None
    except BitstreamError as error:
        raise SourceError(f"{path}: {error}") from None
    with reader:
        yield reader


def records_of(reader: ScvReader, source: Path) -> Iterator[Record]:
    """All packets; a damaged one raises SourceError."""
    try:
        yield from reader.records()
    except BitstreamError as error:
        raise SourceError(f"{source}: {error}; the frames before it were written") from None


def places_of(reader: ScvReader, source: Path, *, whole: bool = True) -> Iterator[Place]:
    """All records; with `whole` a damaged one raises SourceError, else it ends the list."""
    try:
        yield from reader.places()
    except BitstreamError as error:
        if whole:
            raise SourceError(f"{source}: {error}") from None


@contextmanager
def writing_file(target: Path) -> Iterator[None]:
    """Errors of the disk, and of libraries, as SinkError."""
    saved = "what was written before is kept"
    if not target.parent.is_dir():
        saved = f"is there a folder {target.parent}?"
    with writing(str(target), saved=saved):
        yield
