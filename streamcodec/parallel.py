# SPDX-License-Identifier: Apache-2.0
"""A thread pool for the jobs of one picture. Bytes and samples are the same without it."""

from __future__ import annotations

import os
import sys

from streamcodec import _core

MOST_THREADS = 16  # more threads than a picture has bands bring nothing


def cores() -> int:
    """Cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Threads:
    """A pool whose owner closes it: a context manager, or call `close`. Hand it to `Codec.load`.

    `count` includes the thread that encodes; 0 takes one for each core.
    """

    def __init__(self, count: int = 0) -> None:
        self.pool = _core.Pool(min(count or cores(), MOST_THREADS))

    @property
    def count(self) -> int:
        """Threads that work on a picture, the caller's included."""
        return self.pool.threads

    def close(self) -> None:
        """Stop the threads; codecs that use them go on without."""
        self.pool.close()

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
