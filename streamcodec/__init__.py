# SPDX-License-Identifier: Apache-2.0
"""streamcodec: live video through thin links with a learned codec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamcodec.frame import Frame, Reference

if TYPE_CHECKING:
    from streamcodec.codec import Codec

__version__ = "0.1.0"
__all__ = ["Codec", "Frame", "Reference", "__version__"]


def __getattr__(name: str) -> object:
    """Import `Codec` on first use: code that only handles frames need not load it."""
    if name == "Codec":
        from streamcodec.codec import Codec  # noqa: PLC0415  # lazy on purpose

        return Codec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
