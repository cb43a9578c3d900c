# SPDX-License-Identifier: Apache-2.0
"""Two jobs at once: a second thread that an encoder may borrow. Results are the same without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor


class SecondThread:
    """Runs every second job on a thread of its own; compiled code leaves the interpreter free.

    Use as a context manager, or call `close`; hand `run` to `Codec.load`.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="encode-2")

    def run(self, jobs: Sequence[Callable[[], object]]) -> None:
        """Do all jobs and return; an error of any is raised."""
        handed = [self._pool.submit(job) for job in jobs[1::2]]
        for job in jobs[0::2]:
            job()
        for future in handed:
            future.result()

    def close(self) -> None:
        """Stop the thread."""
        self._pool.shutdown()

    def __enter__(self) -> SecondThread:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
