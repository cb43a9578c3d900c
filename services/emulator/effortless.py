# SPDX-License-Identifier: Apache-2.0
"""Base of codecs of simulations: coding takes no time, or the time that the run is given; pure."""

from __future__ import annotations

from typing import Self

from streamcodec.codec import Codec
from streamcodec.effort import Effort


class EffortlessCodec(Codec):
    """Subclasses encode and decode; every effort is the same, and there is no warming up."""

    def __init__(
        self, model_hash: bytes, *, size: str = "S", device: str = "cpu", test: bytes = b""
    ) -> None:
        self.model_hash = model_hash
        self.size, self.device, self.effort = size, device, Effort.NORMAL
        self._test = test

    def trying(self, effort: str) -> Self:
        """The same codec: the machine is simulated, and so is its speed."""
        del effort
        return self

    def self_test(self) -> bytes:
        return self._test

    def warm_up(self, width: int, height: int) -> None:
        """Nothing to warm."""
