# SPDX-License-Identifier: Apache-2.0
"""Coded frames on disk, as training data for the networks.

A shard is two files: `NAME.bin` holds planes and block maps one after the other, `NAME.jsonl` has a
line for each frame with its offset. A line is written after its bytes, so a shard whose writer was
killed holds only whole frames.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from streamcodec.blocks import layout

U8 = npt.NDArray[np.uint8]
Planes = tuple[U8, U8, U8]


@dataclass(frozen=True, slots=True)
class Entry:
    """A frame in a shard's index: sizes, origin, bits and errors."""

    offset: int  # of its first byte
    rows: int  # blocks of 16x16 luma samples
    columns: int
    file: str
    held_out: bool
    key: bool
    number: int  # frames since the keyframe
    quality: int
    bits: int
    errors: tuple[float, float, float]  # mean squared error of each decoded plane
    priced: bool = False  # also holds the quantiser's inputs


@dataclass(frozen=True, slots=True, eq=False)
class Priced:
    """The quantiser's inputs of a frame.

    `base` is each block's prediction: inter, or intra from decoded neighbours. `most` (rows,
    columns) are the groups that a block could code, `tables` (rows, columns, 384) those that priced
    its levels.
    """

    base: Planes
    most: U8
    tables: U8


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """One coded frame. Planes have sides of multiples of 16 (chroma 8), maps one byte a block."""

    entry: Entry
    source: Planes
    decoded: Planes  # the reference that later frames copy from
    unfiltered: Planes  # the same before the loop filter
    predicted: Planes | None  # None in keyframes
    counts: U8
    modes: U8
    splits: U8
    moves: U8  # 1 where a block has a vector that is not zero
    priced: Priced | None = None


class Writer:
    """Appends frames to one shard."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._bytes = (folder / f"{name}.bin").open("ab")
        self._index = (folder / f"{name}.jsonl").open("a", encoding="utf-8")

    def add(self, frame: Coded) -> None:
        """Append a frame; `frame.entry.offset` is set here."""
        offset = self._bytes.tell()
        for plane in _arrays(frame):
            self._bytes.write(np.ascontiguousarray(plane).tobytes())
        self._bytes.flush()
        line = asdict(frame.entry) | {"offset": offset}
        self._index.write(json.dumps(line) + "\n")
        self._index.flush()

    def close(self) -> None:
        """Flush both files to the disk."""
        for file in (self._bytes, self._index):
            file.flush()
            os.fsync(file.fileno())
            file.close()


def _arrays(frame: Coded) -> Iterator[U8]:
    yield from frame.source
    yield from frame.decoded
    yield from frame.unfiltered
    if frame.predicted is not None:
        yield from frame.predicted
    yield from (frame.counts, frame.modes, frame.splits, frame.moves)
    if frame.priced is not None:
        yield from (*frame.priced.base, frame.priced.most, frame.priced.tables)


class Shard:
    """Reads a shard, which may still be growing: the frames that it held when opened."""

    def __init__(self, folder: Path, name: str) -> None:
        self.entries: list[Entry] = []
        for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            try:
                values = json.loads(line)
            except json.JSONDecodeError:
                break  # still being written, or its writer was killed
            self.entries.append(Entry(**values | {"errors": tuple(values["errors"])}))
        self._bytes = np.memmap(folder / f"{name}.bin", np.uint8, "r")

    def raw(self, entry: Entry) -> U8:
        """All bytes of a frame without `priced`, in the order of `Coded`'s arrays."""
        blocks = entry.rows * entry.columns
        size = blocks * (384 * (3 if entry.key else 4) + 4)
        return np.array(self._bytes[entry.offset : entry.offset + size])

    def frame(self, entry: Entry) -> Coded:
        """Views into the shard's file; nothing is copied."""
        at = entry.offset
        height, width = 16 * entry.rows, 16 * entry.columns

        def take(h: int, w: int) -> U8:
            nonlocal at
            at += h * w
            return self._bytes[at - h * w : at].reshape(h, w)

        def planes() -> Planes:
            return (
                take(height, width),
                take(height // 2, width // 2),
                take(height // 2, width // 2),
            )

        source, decoded, unfiltered = planes(), planes(), planes()
        predicted = None if entry.key else planes()
        counts, modes, splits, moves = (take(entry.rows, entry.columns) for _ in range(4))
        priced = None
        if entry.priced:
            tables = entry.rows, entry.columns, layout.CHANNELS
            priced = Priced(
                planes(),
                take(entry.rows, entry.columns),
                take(entry.rows, entry.columns * layout.CHANNELS).reshape(tables),
            )
        return Coded(
            entry, source, decoded, unfiltered, predicted, counts, modes, splits, moves, priced
        )


def shards(folder: Path) -> list[Shard]:
    """All shards of a folder, by name."""
    return [Shard(folder, path.stem) for path in sorted(folder.glob("*.jsonl"))]
