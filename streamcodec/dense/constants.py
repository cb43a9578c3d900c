# SPDX-License-Identifier: Apache-2.0
"""Small tables on a device, moved there once: what a frame made anew would be a copy each time."""

from __future__ import annotations

from functools import lru_cache

import torch

Nested = tuple[int, ...] | tuple[tuple[int, ...], ...]


@lru_cache(maxsize=64)
def constant(values: Nested, device: torch.device) -> torch.Tensor:
    """An int64 tensor of these values."""
    return torch.tensor(values).to(device)
