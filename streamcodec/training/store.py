# SPDX-License-Identifier: Apache-2.0
"""A run's folder: every finished piece is a file, written atomically.

A run is a list of pieces, each a pure function of the configuration and the pieces before it. After
a crash existing pieces are read and the others computed, so the result is the same to the byte as
without the crash.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

Arrays = dict[str, npt.NDArray[np.generic]]


class Store:
    """Pieces by name below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def piece(self, name: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of a piece: read if it exists, else computed and written."""
        path = self.folder / f"{name}.safetensors"
        if path.is_file():
            try:
                return dict(safetensors.numpy.load(path.read_bytes()))
            except (safetensors.SafetensorError, ValueError):
                path.unlink()  # damaged by a power loss: compute it again
        arrays = make()
        whole = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
        self.write(path.name, safetensors.numpy.save(whole))
        return arrays

    def has(self, name: str) -> bool:
        """True when the piece exists."""
        return (self.folder / f"{name}.safetensors").is_file()

    def decision(self, name: str, decide: Callable[[], object]) -> object:
        """A value that depends on the clock: computed once, then read."""
        path = self.folder / f"{name}.json"
        if not path.is_file():
            self.write(path.name, json.dumps(decide()).encode())
        return json.loads(path.read_text(encoding="utf-8"))

    def write(self, name: str, data: bytes) -> Path:
        """Replace a file atomically."""
        path = self.folder / name
        fresh = path.with_name(path.name + ".part")
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        return path

    def log(self, event: str, **values: object) -> None:
        """Add a line to log.jsonl."""
        line = json.dumps({"event": event, **values})
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
