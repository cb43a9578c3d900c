# SPDX-License-Identifier: Apache-2.0
"""Loads the codec that the settings ask for; the only place where commands do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from services import logs
from services.errors import ConfigError
from services.firststart import NOTICE, is_first_start

if TYPE_CHECKING:
    from services.config import CodecSettings
    from streamcodec.codec import Codec


def load_codec(
    settings: CodecSettings,
    *,
    size: str | None = None,
    device: str | None = None,
) -> Codec:
    """The codec of the settings, on few threads. Takes seconds: it imports torch.

    Raises ModelError when weights are absent or damaged, ConfigError when the device is.
    """
    if is_first_start():
        logs.get("codec").warning("first_start", text=NOTICE)
    import cv2
    import torch

    from streamcodec.codec import Codec

    # Compiled code comes back for the interpreter hundreds of times a frame: do not let another
    # thread's Python keep it for the default 5 ms.
    sys.setswitchinterval(0.001)
    cv2.setNumThreads(settings.threads)
    torch.set_num_threads(settings.threads)
    device = device or settings.device
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("codec.device is 'cuda', but torch sees no CUDA device here; use cpu")
    weights = Path(settings.weights) if settings.weights else None
    return Codec.load(size or settings.size, device=device, weights=weights)
