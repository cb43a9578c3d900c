# SPDX-License-Identifier: Apache-2.0
"""Scratch memory of an encode or decode, reused from frame to frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streamcodec import _core

_KEPT = 4  # idle workspaces


@dataclass(slots=True)
class Workspace:
    """Scratch memory of the core's rooms, and arrays that only one frame needs."""

    motion: _core.MotionWorkspace = field(default_factory=_core.MotionWorkspace)
    blocks: _core.BlocksWorkspace = field(default_factory=_core.BlocksWorkspace)
    filter: _core.FilterWorkspace = field(default_factory=_core.FilterWorkspace)
    prior: _core.PriorWorkspace = field(default_factory=_core.PriorWorkspace)
    conv: _core.ConvWorkspace = field(default_factory=_core.ConvWorkspace)
    _arrays: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)

    def floats(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """A float32 array of this name and shape, with its last contents."""
        held = self._arrays.get(name)
        if held is None or held.shape != shape or held.dtype != np.float32:
            held = self._arrays[name] = np.zeros(shape, np.float32)
        return np.asarray(held, np.float32)


class Workspaces:
    """Lends a workspace to each running encode or decode. Thread-safe."""

    def __init__(self) -> None:
        self._free: list[Workspace] = []

    @contextmanager
    def borrow(self) -> Iterator[Workspace]:
        """A workspace for exclusive use."""
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
        """Free the idle workspaces."""
        self._free.clear()
