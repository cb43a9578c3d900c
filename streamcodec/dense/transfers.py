# SPDX-License-Identifier: Apache-2.0
"""Copies between host and device, counted by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch


@dataclass(frozen=True, slots=True)
class Transfer:
    """Copies of one name: `up` to the device or down from it, in bytes and number."""

    up: bool
    size_bytes: int
    copies: int


class Transfers:
    """Copies arrays to a device and back. `log` has all copies since it was last cleared."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.log: dict[str, Transfer] = {}

    def up(self, name: str, array: npt.NDArray[np.generic]) -> torch.Tensor:
        """A tensor on the device, of the array's type."""
        self._note(name, up=True, size_bytes=array.nbytes)
        return torch.from_numpy(np.require(array, None, ["C", "W"])).to(self.device)

    def down(self, name: str, tensor: torch.Tensor) -> npt.NDArray[np.generic]:
        """An array on the host, of the tensor's type. Waits for the device."""
        self._note(name, up=False, size_bytes=tensor.numel() * tensor.element_size())
        return np.asarray(tensor.contiguous().to("cpu").numpy())

    def _note(self, name: str, *, up: bool, size_bytes: int) -> None:
        before = self.log.get(name, Transfer(up, 0, 0))
        self.log[name] = Transfer(up, before.size_bytes + size_bytes, before.copies + 1)
