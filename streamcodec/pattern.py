# SPDX-License-Identifier: Apache-2.0
"""The quality of each frame relative to its stream's: finer keyframes, and every eighth frame.

Later frames copy from earlier ones, so bits spent on a keyframe, and to a lesser degree on every
eighth frame, pay off many times (HEVC's low-delay test conditions vary the quantiser for the same
reason). Measured in docs/training.md.
"""

from __future__ import annotations

KEY_BOOST = 12
INTER_OFFSETS = (4, 0, 0, 0, 1, 0, 0, 0)


def quality_at(quality: int, frames_since_key: int) -> int:
    """Quality index of a frame in a stream of nominal `quality`; 0 is the keyframe itself."""
    if frames_since_key == 0:
        offset = KEY_BOOST
    else:
        offset = INTER_OFFSETS[frames_since_key % len(INTER_OFFSETS)]
    return min(max(quality + offset, 0), 63)
