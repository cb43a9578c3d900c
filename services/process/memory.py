# SPDX-License-Identifier: Apache-2.0
"""The allocator: memory of pictures is given back to the system when they are freed."""

from __future__ import annotations

import ctypes

LARGE_BYTES = 8 * 1024 * 1024  # above every block of a 1920x1080 picture, which stay quick
KEPT_BYTES = 64 * 1024 * 1024  # free at the end of the heap: each frame takes it anew
_LIBC = ctypes.CDLL(None)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc


def return_large_blocks() -> bool:
    """Have each large block be memory of its own, that goes back to the system when it is freed.

    By itself glibc comes to keep such blocks, and pieces between them: a receiver of 4096x2304
    held 264 MB, where 166 were in use, and kept them after the stream. All threads share one heap:
    by itself each has its own, of up to 64 MB with pieces of pictures in it, and none has huge
    pages (huge_pages.py). For the beginning of a process. False where the allocator is another.
    """
    setting = getattr(_LIBC, "mallopt", None)
    if setting is None:
        return False
    return bool(
        setting(_M_ARENA_MAX, 1)
        and setting(_M_MMAP_THRESHOLD, LARGE_BYTES)
        and setting(_M_TRIM_THRESHOLD, KEPT_BYTES)
    )


def give_back() -> None:
    """Have the allocator return what is free (glibc keeps it); nothing where it cannot."""
    trim = getattr(_LIBC, "malloc_trim", None)
    if trim is not None:
        trim(0)
