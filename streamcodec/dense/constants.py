# SPDX-License-Identifier: Apache-2.0
"""Small tables on a device, copied there once instead of with every frame."""

from __future__ import annotations

from functools import lru_cache

import torch

Nested = tuple[int, ...] | tuple[tuple[int, ...], ...]


@lru_cache(maxsize=64)
def constant(values: Nested, device: torch.device) -> torch.Tensor:
    """An int64 tensor of these values."""
    return torch.tensor(values).to(device)
