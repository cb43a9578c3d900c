# SPDX-License-Identifier: Apache-2.0
"""The codec as a function: frame, reference and parameters in; packet and next reference out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from streamcodec.frame import Frame, Reference


@dataclass(frozen=True, slots=True)
class Encoded:
    """Result of `Codec.encode`.

    `packet` and `reference` are None when not even quality 0 fits the budget; `quality` is
    then -1. `reference.frame` is the picture that the receiver will see.
    """

    packet: bytes | None
    reference: Reference | None
    quality: int
    keyframe: bool


class Decoded(NamedTuple):
    """Result of `Codec.decode`."""

    frame: Frame
    reference: Reference


class Codec:
    """A loaded model that encodes and decodes; holds no state between calls."""

    model_hash: bytes  # 8 bytes: names networks and tables; ends that differ must not talk
    size: str  # "S", "M" or "L"
    device: str  # "cpu" or "cuda"

    @classmethod
    def load(cls, size: str = "S", *, device: str = "auto", weights: Path | None = None) -> Codec:
        """Load the shipped weights of a size. Raises ModelError when they are absent or damaged."""
        raise NotImplementedError

    def encode(
        self,
        frame: Frame,
        reference: Reference | None = None,
        *,
        quality: int | None = None,
        budget_bytes: int | None = None,
    ) -> Encoded:
        """Code a frame: a keyframe without reference, else an inter frame against it.

        Exactly one of `quality` (0 coarsest to 63 finest) and `budget_bytes` (the packet is never
        larger and has the highest quality that fits) is given.
        """
        raise NotImplementedError

    def decode(self, packet: bytes, reference: Reference | None = None) -> Decoded:
        """Decode a packet against the reference it names.

        Raises ReferenceMissing (another reference needed), ModelError (made with other
        weights) or BitstreamError (bytes are wrong), and nothing else.
        """
        raise NotImplementedError

    def self_test(self) -> bytes:
        """8 bytes that come out equal on every device that parses packets identically."""
        raise NotImplementedError

    def warm_up(self, width: int, height: int) -> None:
        """Compile and touch everything, so that the next encode and decode run at full speed."""
        raise NotImplementedError
