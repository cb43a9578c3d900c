# SPDX-License-Identifier: Apache-2.0
"""The clock of all daemons, and which processes share it."""

from __future__ import annotations

import time
from pathlib import Path


def now_us() -> int:
    """The monotonic clock that all processes of one boot share."""
    return time.monotonic_ns() // 1000


def boot_id() -> bytes:
    """16 bytes that name this boot of this machine; empty where the system does not tell."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        return bytes.fromhex(text.strip().replace("-", ""))[:16]
    except (OSError, ValueError):
        return b""
