# SPDX-License-Identifier: Apache-2.0
"""The shipped codec, loaded once, and small frames that look natural."""

from __future__ import annotations

import pytest
import torch

from services.media.scene import Scene
from streamcodec import Codec, Frame


@pytest.fixture(scope="session")
def codec() -> Codec:
    torch.set_num_threads(1)
    return Codec.load()


@pytest.fixture(scope="session")
def frames() -> list[Frame]:
    """Four moving frames of 96x64, three frame times apart."""
    scene = Scene(96, 64, seed=3)
    return [scene.frame(3 * n) for n in range(4)]
