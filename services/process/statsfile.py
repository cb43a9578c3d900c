# SPDX-License-Identifier: Apache-2.0
"""Statistics as lines of JSON in a file that never grows without end.

    FILE      the newest lines
    FILE.1    those before, and so on up to the number of files to keep

A new file begins by size, and when somebody else has moved the old one away (logrotate) and asks
for it (`reopen`). A disk that is full costs lines, told once; they go on when there is room.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from services.errors import SinkError
from services.process import logs

RETRY_US = 10_000_000  # after a failure


@dataclass(frozen=True, slots=True)
class Keeping:
    """How large a file may grow, and how many older ones are kept."""

    most_bytes: int = 50_000_000
    files: int = 4


class StatsFile:
    """Appends objects to a file. Raises SinkError where it cannot be opened at the start."""

    def __init__(self, path: Path, keeping: Keeping, *, clock_us: Callable[[], int]) -> None:
        self._path = path
        self._keeping = keeping
        self._now_us = clock_us
        self._log = logs.get("stats")
        self._retry_us: int | None = None  # when to try again; None while all is well
        try:
            self._file = self._opened()
        except OSError as error:
            raise SinkError(f"{path}: statistics cannot be written ({error.strerror})") from None

    def write(self, counted: Mapping[str, object]) -> None:
        """Append a line. A failure is logged once, and tried again every ten seconds."""
        now = self._now_us()
        if self._retry_us is not None and now < self._retry_us:
            return
        try:
            if self._file.closed:
                self._file = self._opened()
            self._rotate()
            self._file.write(json.dumps(counted) + "\n")
            self._file.flush()
        except OSError as error:
            if self._retry_us is None:
                self._log.error("stats_paused", file=str(self._path), reason=error.strerror)
            self._retry_us = now + RETRY_US
            self.close()
            return
        if self._retry_us is not None:
            self._retry_us = None
            self._log.info("stats_resumed", file=str(self._path))

    def reopen(self) -> None:
        """Begin with whatever file is at the path now."""
        self.close()

    def close(self) -> None:
        """Close the file; the next `write` opens it again."""
        with suppress(OSError):  # what was not written is told already
            self._file.close()

    def _opened(self) -> IO[str]:
        return self._path.open("a", encoding="utf-8")

    def _rotate(self) -> None:
        """Move files along where the newest is full. One that cannot be moved grows on."""
        if not self._path.is_file() or self._file.tell() < self._keeping.most_bytes:
            return
        older = [self._path.with_name(f"{self._path.name}.{n}") for n in self._numbers()]
        self._file.close()
        if not older:
            self._path.unlink()
        for before, after in reversed(list(zip([self._path, *older], older, strict=False))):
            with suppress(FileNotFoundError):
                os.replace(before, after)
        self._file = self._opened()

    def _numbers(self) -> range:
        return range(1, self._keeping.files + 1)
