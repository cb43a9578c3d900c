# SPDX-License-Identifier: Apache-2.0
"""Live streams of streamcodec: `from services import Receiver`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.receiver.capture import Receiver

__all__ = ["Receiver"]


def __getattr__(name: str) -> object:
    """Import on first use: commands that need no socket must not load one."""
    if name == "Receiver":
        from services.receiver.capture import Receiver  # noqa: PLC0415  # lazy on purpose

        return Receiver
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
