# SPDX-License-Identifier: Apache-2.0
"""What an inter frame moves between host and device, as the table of docs/gpu.md.

    python -m streamcodec.dense.table

Two small frames are coded on the processor. Bytes grow by the block, so two sizes tell both the
bytes of a block and those of a frame, and with them any size's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from streamcodec.codec import Codec
from streamcodec.dense.device import Device
from streamcodec.dense.encoder import DenseFrameEncoder
from streamcodec.dense.moves import Move
from streamcodec.frame import Frame

BLOCKS = 120 * 68  # of 1920x1080
_SHAPES = ((3, 3), (3, 6))


@dataclass(frozen=True, slots=True)
class Line:
    """One name's moves in a frame."""

    name: str
    up: bool
    copies: int
    of_block: int
    of_frame: int

    @property
    def size_bytes(self) -> int:
        """Of a frame of 1920x1080."""
        return self.of_block * BLOCKS + self.of_frame


def lines() -> Iterator[Line]:
    """What a frame at one quality moves, in the order in which it goes."""
    codec = Codec.load("S")
    device = Device(codec.model, torch.device("cpu"))
    logs = [_log(codec, device, *shape) for shape in _SHAPES]
    few, many = (rows * columns for rows, columns in _SHAPES)
    for name, move in logs[0].items():
        of_block = (logs[1][name].size_bytes - move.size_bytes) // (many - few)
        yield Line(name, move.up, move.copies, of_block, move.size_bytes - of_block * few)


def _log(codec: Codec, device: Device, rows: int, columns: int) -> dict[str, Move]:
    rng = np.random.default_rng(1)
    wide = rng.integers(60, 200, (16 * rows, 16 * columns + 8)).astype(np.uint8)
    frames = [Frame.grey(np.ascontiguousarray(wide[:, k : k + 16 * columns])) for k in (0, 4)]
    key = codec.encode(frames[0], quality=40).reference
    encoder = DenseFrameEncoder(codec.model, frames[1], key, device=device)
    encoder.at(20)
    return encoder.moves.log


def table() -> str:
    """The lines in Markdown, and their sums."""
    rows = list(lines())
    text = ["| what | way | copies | bytes a block | bytes a frame | at 1920x1080 |"]
    text.append("| --- | --- | --- | --- | --- | --- |")
    for line in rows:
        way = "up" if line.up else "down"
        text.append(
            f"| {line.name} | {way} | {line.copies} | {line.of_block} | {line.of_frame} | "
            f"{line.size_bytes:,} |"
        )
    for way, up in (("up", True), ("down", False)):
        own = [line for line in rows if line.up == up]
        text.append(
            f"| **all** | {way} | {sum(x.copies for x in own)} | {sum(x.of_block for x in own)} | "
            f"{sum(x.of_frame for x in own)} | {sum(x.size_bytes for x in own):,} |"
        )
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    print(table(), end="")
