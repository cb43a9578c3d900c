# SPDX-License-Identifier: Apache-2.0
"""Every error the codec raises, in one tree: catch `StreamCodecError` and nothing else escapes."""


class StreamCodecError(Exception):
    """Base of all errors of the codec library."""


class FrameError(StreamCodecError):
    """The caller's frame does not fit: wrong shape, dtype, or a size outside 16x16 to 4096x2304."""


class BitstreamError(StreamCodecError):
    """The bytes are wrong: damaged, truncated, foreign, or written by another version."""


class HeaderError(BitstreamError):
    """The fixed fields at the start of a packet or file are wrong."""


class PayloadError(BitstreamError):
    """The header is fine, but what follows it is not."""


class ReferenceMissing(StreamCodecError):
    """The packet names a reference that the caller does not hold: ask for a keyframe."""


class ModelError(StreamCodecError):
    """The weights are absent, damaged, or not the ones that the packet was made with."""
