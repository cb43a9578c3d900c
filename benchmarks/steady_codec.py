# SPDX-License-Identifier: Apache-2.0
"""A codec with two packet sizes and no work, for runs that measure only the transport."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np

from services.emulator.effortless import EffortlessCodec
from streamcodec.bitstream import PacketHeader, digest_after, pack
from streamcodec.codec import Encoded
from streamcodec.frame import Frame, Reference

MODEL = b"model123"
PICTURE = Frame.grey(np.full((360, 640), 128, np.uint8))
_QUALITY = 30


@dataclass(frozen=True, slots=True)
class Material:
    """The stream: frames a second, bytes of packets, time to encode one."""

    fps: float = 30.0
    keyframe_bytes: int = 9_000
    inter_bytes: int = 1_200
    encode_us: int = 15_000
    keyframe_every: int = 0  # frames; 0: only on request


class SteadyCodec(EffortlessCodec):
    """Packets of two sizes, without work; their first bytes all differ."""

    def __init__(self, material: Material) -> None:
        super().__init__(MODEL)
        self._material = material
        self._numbers = count()

    def encode(
        self,
        frame: Frame,
        reference: Reference | None = None,
        *,
        quality: int | None = None,
        budget_bytes: int | None = None,
    ) -> Encoded:
        """The next packet; quality and budget are ignored."""
        keyframe = reference is None
        size_bytes = self._material.keyframe_bytes if keyframe else self._material.inter_bytes
        before = MODEL if reference is None else reference.digest
        size = (PICTURE.width, PICTURE.height) if keyframe else (0, 0)
        body = next(self._numbers).to_bytes(8, "big") + bytes(size_bytes - 26)
        packet = pack(PacketHeader(keyframe, _QUALITY, 0, before, *size), body)
        digest = digest_after(packet, b"" if reference is None else before)
        return Encoded(packet, Reference(frame, digest, _QUALITY), _QUALITY, keyframe)
