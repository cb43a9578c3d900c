# SPDX-License-Identifier: Apache-2.0
"""Memory of large pictures goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

from services.process.memory import return_large_blocks

SCRIPT = """
import numpy as np
from services.process.memory import return_large_blocks
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
assert return_large_blocks()
before, kept = resident(), []
for turn in range(20):  # a picture of 4096x2304, its half planes, and something small that stays
    planes = [np.ones(size, np.uint8) for size in (9_437_184, 9_437_184, 18_874_368)]
    kept.append(bytes(1000))
    del planes
print(resident() - before)
"""


@pytest.mark.skipif(not return_large_blocks(), reason="the allocator is not glibc's")
def test_large_blocks_are_given_back_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, check=True, text=True, timeout=60
    )
    assert int(done.stdout) < 4_000_000
