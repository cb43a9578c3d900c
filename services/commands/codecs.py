# SPDX-License-Identifier: Apache-2.0
"""Loads the codec that the settings ask for; the only place where commands do."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.settings.config import CodecSettings, Settings
    from streamcodec.codec import Codec


def settled(settings: Settings) -> Settings:
    """The settings with a size in the place of `auto`, the same for all that is started now.

    Raises ModelError when the weights that would tell are absent or damaged.
    """
    from streamcodec.weights import pick_size

    own = settings.codec
    weights = Path(own.weights) if own.weights else None
    return replace(settings, codec=replace(own, size=pick_size(own.size, own.device, weights)))


def load_codec(
    settings: CodecSettings,
    *,
    size: str | None = None,
    device: str | None = None,
) -> Codec:
    """The codec of the settings.

    Raises ModelError when weights are absent or damaged, or the size does not run on the device.
    """
    import cv2

    from streamcodec.codec import Codec
    from streamcodec.effort import Effort
    from streamcodec.weights import pick_size

    # The core comes back for the interpreter many times a frame: do not let another thread's Python
    # keep it for the default 5 ms.
    sys.setswitchinterval(0.001)
    cv2.setNumThreads(1)
    weights = Path(settings.weights) if settings.weights else None
    device = device or settings.device
    size = pick_size(size or settings.size, device, weights)
    codec = Codec.load(
        size,
        device=device,
        weights=weights,
        effort=Effort(settings.effort),
    )
    torch = sys.modules.get("torch")
    if torch is not None:
        # It was loaded for a GPU. Its threads wait for each other by spinning.
        torch.set_num_threads(1)
    return codec
