# SPDX-License-Identifier: Apache-2.0
"""Descriptors: how many there may be, and whose one is."""

from __future__ import annotations

import contextlib
import os
import resource

WANTED = 16_384
RESERVED = 200  # for files, libraries, and the HTTP ports with `view.doors.MAX_CONNECTIONS` each


def raise_limit() -> None:
    """Let this process have as many descriptors as it may, up to WANTED."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def room_for(wanted: int) -> int:
    """How many connections fit below the limit, `wanted` at most."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(8, min(wanted, soft - RESERVED))


def identity_of(number: int) -> tuple[int, int]:
    """Device and inode of an open descriptor, whose number may be reused. Raises OSError."""
    found = os.fstat(number)
    return found.st_dev, found.st_ino
