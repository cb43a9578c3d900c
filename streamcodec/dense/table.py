# SPDX-License-Identifier: Apache-2.0
"""Bytes that an inter frame copies between host and device, and its operations there: the tables
of docs/gpu.md.

    python -m streamcodec.dense.table

Two small frames are coded on the processor. Bytes are so many a block and so many a frame: two
sizes give both, and with them those of any size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from streamcodec.codec import Codec
from streamcodec.dense.device import Device
from streamcodec.dense.encoder import DenseFrameEncoder
from streamcodec.dense.transfers import Transfer
from streamcodec.frame import Frame

BLOCKS = 120 * 68  # of 1920x1080
_SHAPES = ((3, 3), (3, 6))


@dataclass(frozen=True, slots=True)
class Line:
    """A frame's transfers of one name."""

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
    """The transfers of a frame at one quality, in order."""
    codec = Codec.load("S")
    device = Device(codec.model, torch.device("cpu"))
    logs = [_log(codec, device, *shape) for shape in _SHAPES]
    few, many = (rows * columns for rows, columns in _SHAPES)
    for name, transfer in logs[0].items():
        of_block = (logs[1][name].size_bytes - transfer.size_bytes) // (many - few)
        yield Line(
            name, transfer.up, transfer.copies, of_block, transfer.size_bytes - of_block * few
        )


def _log(codec: Codec, device: Device, rows: int, columns: int) -> dict[str, Transfer]:
    encoder = _encoder(codec, device, rows, columns)
    encoder.at(20)
    return encoder.transfers.log


def _encoder(codec: Codec, device: Device, rows: int, columns: int) -> DenseFrameEncoder:
    rng = np.random.default_rng(1)
    wide = rng.integers(60, 200, (16 * rows, 16 * columns + 8)).astype(np.uint8)
    frames = [Frame.grey(np.ascontiguousarray(wide[:, k : k + 16 * columns])) for k in (0, 4)]
    key = codec.encode(frames[0], quality=40).reference
    return DenseFrameEncoder(codec.model, frames[1], key, device=device)


def table() -> str:
    """The lines in Markdown, and their sums."""
    rows = list(lines())
    text = ["| what | direction | copies | bytes a block | bytes a frame | at 1920x1080 |"]
    text.append("| --- | --- | --- | --- | --- | --- |")
    for line in rows:
        direction = "up" if line.up else "down"
        text.append(
            f"| {line.name} | {direction} | {line.copies} | {line.of_block} | {line.of_frame} | "
            f"{line.size_bytes:,} |"
        )
    for direction, up in (("up", True), ("down", False)):
        own = [line for line in rows if line.up == up]
        text.append(
            f"| **all** | {direction} | {sum(x.copies for x in own)} | "
            f"{sum(x.of_block for x in own)} | {sum(x.of_frame for x in own)} | "
            f"{sum(x.size_bytes for x in own):,} |"
        )
    return "\n".join(text) + "\n"


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types here
    """Counts the operations that a device would run: all but views and scalars of the host."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nor here
        self.count = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.count += not function.is_view and "scalar_tensor" not in str(function)
        return function(*args, **kwargs or {})


def operations() -> tuple[int, int]:
    """Number of operations of a frame's analysis, and of each quality tried."""
    codec = Codec.load("S")
    device = Device(codec.model, torch.device("cpu"))
    encoder = _encoder(codec, device, 8, 8)
    counts = []
    for quality in (20, 24):
        with _Operations() as mode:
            encoder.at(quality)
        counts.append(mode.count)
    return counts[0] - counts[1], counts[1]


if __name__ == "__main__":
    print(table())
    print("Operations: {:,} to analyse a frame, {:,} for each quality tried.".format(*operations()))
