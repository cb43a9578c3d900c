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


DECODING = """
import numpy as np
from services.process.memory import give_back, return_large_blocks
from services.receiver.decoding import Decoding, Picture
from streamcodec.codec import Codec
from streamcodec.frame import Frame
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
assert return_large_blocks()
codec, reference, packets = Codec.load("S"), None, []
for grey in (60, 90):
    coded = codec.encode(Frame.grey(np.full((2304, 4096), grey, np.uint8)), reference, quality=0)
    packets.append(coded.packet)
    reference = coded.reference
del coded, reference
codec.rest()
give_back()
before, decoding = resident(), Decoding(codec)
assert all(isinstance(decoding.decode(packet), Picture) for packet in packets)
held = resident() - before
decoding.rest()
print(held, resident() - before)
"""


@pytest.mark.skipif(not return_large_blocks(), reason="the allocator is not glibc's")
def test_a_decoder_at_rest_keeps_nothing_of_large_pictures() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DECODING], capture_output=True, check=True, text=True, timeout=120
    )
    held, kept = map(int, done.stdout.split())
    assert held > 80_000_000  # two pictures with what they remember, and scratch memory
    assert kept < 8_000_000


@pytest.mark.skipif(not return_large_blocks(), reason="the allocator is not glibc's")
def test_large_blocks_are_given_back_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, check=True, text=True, timeout=60
    )
    assert int(done.stdout) < 4_000_000
