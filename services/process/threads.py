# SPDX-License-Identifier: Apache-2.0
"""What threads of one process hand to each other: the newest item, or everything in a bound."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """One slot: putting replaces what was not taken yet, so the reader always gets the newest."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> T | None:
        """Leave an item; returns the one it replaced."""
        with self._condition:
            replaced, self._item = self._item, item
            self._condition.notify()
        return replaced

    def take(self, timeout_s: float) -> T | None:
        """The item, waiting for one up to the timeout; None without one or when closed."""
        with self._condition:
            if self._item is None and not self._closed:
                self._condition.wait(timeout_s)
            item, self._item = self._item, None
        return item

    def close(self) -> None:
        """Wake readers for good."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()


class Queue(Generic[T]):
    """First in, first out, bounded: `put` returns False when full, and never waits.

    Full is `capacity` items, or a sum of `weight` above `most_weight`; one item always fits.
    """

    def __init__(
        self,
        capacity: int,
        *,
        weight: Callable[[T], int] = lambda item: 0,
        most_weight: int = 0,
    ) -> None:
        self._weight_of = weight
        self._most_weight = most_weight
        self._weight = 0
        self._condition = threading.Condition()
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._closed = False

    def put(self, item: T) -> bool:
        """Append; False when there is no room."""
        with self._condition:
            weight = self._weight_of(item)
            heavy = self._items and self._weight + weight > self._most_weight
            if len(self._items) >= self._capacity or heavy:
                return False
            self._items.append(item)
            self._weight += weight
            self._condition.notify()
        return True

    def take(self, timeout_s: float) -> T | None:
        """The oldest item, waiting for one up to the timeout; None without one."""
        with self._condition:
            if not self._items and not self._closed:
                self._condition.wait(timeout_s)
            if not self._items:
                return None
            item = self._items.popleft()
            self._weight -= self._weight_of(item)
            return item

    def clear(self) -> list[T]:
        """Remove and return everything."""
        with self._condition:
            items = list(self._items)
            self._items.clear()
            self._weight = 0
        return items

    def close(self) -> None:
        """Wake readers for good; queued items can still be taken."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()


class Crew:
    """Threads that live and end together. The first error of any of them is kept for the owner."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self.stopping = threading.Event()
        self.error: BaseException | None = None

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Run `work` in a thread until it returns; it must look at `stopping` often."""
        thread = threading.Thread(target=self._guard, args=(work,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self, seconds: float | None, *, over: Callable[[], bool]) -> None:
        """Wait until it is over, the time is, or all were asked to stop, as after an error.

        Raises what broke a thread; `over` may raise, too, and is asked twenty times a second.
        """
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        while not self.stopping.is_set() and not over():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self.stopping.wait(min(left, 0.05))
        if self.error is not None:
            raise self.error

    def join(self, timeout_s: float = 10.0) -> None:
        """Ask all to stop and wait for them."""
        self.stopping.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout_s)
        self._threads.clear()

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # handed to the owner, who raises it
            if self.error is None:
                self.error = error
            self.stopping.set()
