# SPDX-License-Identifier: Apache-2.0
"""Callbacks for each item of a kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Observers(Generic[T]):
    """Any thread may add and remove; all are called in the thread that tells."""

    def __init__(self) -> None:
        self._callbacks: tuple[Callable[[T], None], ...] = ()

    def add(self, callback: Callable[[T], None]) -> Callable[[], None]:
        """Call back from now on. Returns the undo."""
        self._callbacks = (*self._callbacks, callback)

        def remove() -> None:
            self._callbacks = tuple(c for c in self._callbacks if c is not callback)

        return remove

    def tell(self, item: T) -> None:
        """Call all."""
        for callback in self._callbacks:
            callback(item)
