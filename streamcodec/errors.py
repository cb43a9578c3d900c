# SPDX-License-Identifier: Apache-2.0
"""Every error the codec raises, in one tree: catch `StreamCodecError` and nothing else escapes."""


class StreamCodecError(Exception):
    """Base of all errors of the codec library."""


class FrameError(StreamCodecError):
    """The caller's frame has a wrong shape or dtype, or a size outside 16x16 to 4096x2304."""


class BitstreamError(StreamCodecError):
    """The bytes are wrong: damaged, truncated, foreign, or written by another version."""


class HeaderError(BitstreamError):
    """The fixed fields at the start of a packet or file are wrong."""


class PayloadError(BitstreamError):
    """The header is valid, but the payload is not."""


class ReferenceMissing(StreamCodecError):
    """The packet needs a reference that the caller does not have: ask for a keyframe."""


class ModelError(StreamCodecError):
    """The weights are missing, damaged, or not those that the packet was made with."""
