# SPDX-License-Identifier: Apache-2.0
"""The keys that have a right, by the folder of keys as it is now.

A running daemon looks at the folder twice a second. What it cannot read any more stays as it was
last read, with an event of level error: a mistake in this folder must not cut everybody off.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from services.errors import AuthenticationError
from services.measure.events import EventLog, StreamEvent
from services.wire.keys import ALLOWED, Peer, Right, peer_files, read_peer, unreadable


class AllowList:
    """The keys that have one right, by the folder as it is now.

    `refresh` may be called by any thread. While something in the folder cannot be read, `trouble`
    is a sentence about it, and what was read of it last stays in force; a file that is deleted is
    a key that is revoked. Nobody is allowed whose file was never read.
    """

    def __init__(
        self,
        folder: Path,
        right: Right,
        *,
        clock_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000,
    ) -> None:
        self._folder = folder
        self._right = right
        self._now_us = clock_us
        self._lock = threading.Lock()
        self._seen: object = None
        self._peers: Mapping[str, Peer] | None = None  # by name; None before the first reading
        self._names: Mapping[bytes, str] = {}
        self._events = EventLog()
        self._trouble = ""
        self.refresh()

    @property
    def trouble(self) -> str:
        """What cannot be read, in a sentence; "" while all is well."""
        return self._trouble

    def refresh(self) -> None:
        """Read the folder again if anything in it has changed."""
        with self._lock:
            try:
                seen = _fingerprint(self._folder / ALLOWED)
                if seen == self._seen:
                    return
                paths = peer_files(self._folder)
            except OSError as error:
                self._seen = None
                wrong = unreadable(self._folder / ALLOWED, error)
                self._tell_trouble(f"{wrong}; the keys read before stay in force")
                return
            trouble = self._take(paths)
            self._seen = None if trouble else seen
            self._tell_trouble(trouble)

    def name_of(self, key: bytes) -> str | None:
        """The name of a key that has the right; None for all others."""
        return self._names.get(key)

    def recent_events(self) -> tuple[StreamEvent, ...]:
        """Keys allowed and revoked, and trouble with the folder, oldest first."""
        with self._lock:
            return self._events.snapshot()

    def _take(self, paths: list[Path]) -> str:
        """Read the files; returns what is wrong with the first that cannot be read."""
        before, after, trouble = self._peers or {}, {}, ""
        for path in paths:
            try:
                after[path.stem] = read_peer(path)
            except AuthenticationError as error:
                kept = before.get(path.stem)
                if kept is not None:
                    after[path.stem] = kept
                stays = "what it said before stays in force" if kept else "nobody is let in by it"
                trouble = trouble or f"{error}; {stays}"
        if self._peers is not None:
            self._tell_changes(self._with_right(before), self._with_right(after))
        self._peers = after
        self._names = {key: name for name, key in self._with_right(after).items()}
        return trouble

    def _with_right(self, peers: Mapping[str, Peer]) -> dict[str, bytes]:
        return {p.name: p.public_key for p in peers.values() if self._right in p.rights}

    def _tell_changes(self, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> None:
        now = self._now_us()
        for name in sorted(before):
            if after.get(name) != before[name]:
                self._events.add(now, "revoked", f"{name} may not {self._right} any more")
        for name in sorted(after):
            if before.get(name) != after[name]:
                self._events.add(now, "allowed", f"{name} may {self._right}")

    def _tell_trouble(self, trouble: str) -> None:
        if trouble != self._trouble:
            name = "keys_unreadable" if trouble else "keys_readable"
            self._events.add(self._now_us(), name, trouble or str(self._folder))
        self._trouble = trouble


def _fingerprint(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    with os.scandir(folder) as entries:
        return tuple(sorted(_stamp(entry) for entry in entries))


def _stamp(entry: os.DirEntry[str]) -> tuple[str, int, int, int]:
    try:
        found = entry.stat()
    except OSError:
        return entry.name, 0, 0, 0  # a link that leads nowhere, or gone this moment
    return entry.name, found.st_mtime_ns, found.st_size, found.st_ino
