# SPDX-License-Identifier: Apache-2.0
"""Scratch memory of one encode or decode: grows once, and is used again from frame to frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streamcodec import _core

_KEPT = 4  # workspaces that wait to be used again


@dataclass(slots=True)
class Workspace:
    """What the core's rooms work in, and arrays that a frame needs for itself only."""

    motion: _core.MotionWorkspace = field(default_factory=_core.MotionWorkspace)
    blocks: _core.BlocksWorkspace = field(default_factory=_core.BlocksWorkspace)
    filter: _core.FilterWorkspace = field(default_factory=_core.FilterWorkspace)
    prior: _core.PriorWorkspace = field(default_factory=_core.PriorWorkspace)
    conv: _core.ConvWorkspace = field(default_factory=_core.ConvWorkspace)
    _arrays: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)

    def floats(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """A float32 array of this name and shape, with whatever it last held."""
        held = self._arrays.get(name)
        if held is None or held.shape != shape or held.dtype != np.float32:
            held = self._arrays[name] = np.zeros(shape, np.float32)
        return np.asarray(held, np.float32)


class Workspaces:
    """Lends a workspace to each encode or decode that is under way; any thread may ask."""

    def __init__(self) -> None:
        self._free: list[Workspace] = []

    @contextmanager
    def borrow(self) -> Iterator[Workspace]:
        """A workspace that nobody else works in."""
        try:
            workspace = self._free.pop()
        except IndexError:
            workspace = Workspace()
        try:
            yield workspace
        finally:
            if len(self._free) < _KEPT:
                self._free.append(workspace)

    def clear(self) -> None:
        """Free those that nobody works in."""
        self._free.clear()
