# SPDX-License-Identifier: Apache-2.0
"""A codec of plausible sizes and no work: for real-time runs of transport and rate control alone.

Packets are real (headers, digests, CRC); payloads are noise of the size that the model of
services/emulator/rate_model.py draws. A picture decodes to the reference's, or to grey.
"""

from __future__ import annotations

import hashlib
from random import Random

import numpy as np

from services.emulator.rate_model import ModelCoder
from streamcodec.bitstream import (
    CRC_BYTES,
    INTER_HEADER_BYTES,
    KEY_HEADER_BYTES,
    PacketHeader,
    digest_after,
    pack,
    read_header,
)
from streamcodec.codec import Codec, Decoded, Encoded
from streamcodec.errors import ReferenceMissing
from streamcodec.frame import Frame, Reference


class SizedCodec(Codec):
    """See the module. Deterministic: the n-th frame has the same size in every run."""

    def __init__(self) -> None:
        self.model_hash = hashlib.blake2b(b"sized", digest_size=8).digest()
        self.size = "S"
        self.device = "cpu"
        self._coder = ModelCoder()
        self._noise = Random("payload").randbytes(70_000)
        self._number = 0

    def encode(
        self,
        frame: Frame,
        reference: Reference | None = None,
        *,
        quality: int | None = None,
        budget_bytes: int | None = None,
    ) -> Encoded:
        """A packet of the highest quality that fits the budget, as the model sees it."""
        self._number += 1
        budget = budget_bytes if budget_bytes is not None else 1500 + 500 * (quality or 0)
        coded = self._coder.encode(self._number, reference, budget)
        if coded is None:
            return Encoded(None, None, -1, reference is None)
        key = reference is None
        header = PacketHeader(
            keyframe=key,
            quality=coded.quality,
            stages=0,
            reference=self.model_hash if reference is None else reference.digest,
            width=frame.width if key else 0,
            height=frame.height if key else 0,
        )
        room = coded.size_bytes - (KEY_HEADER_BYTES if key else INTER_HEADER_BYTES) - CRC_BYTES
        packet = pack(header, self._noise[: max(0, room)])
        return Encoded(packet, self._after(packet, header, reference, frame), coded.quality, key)

    def decode(self, packet: bytes, reference: Reference | None = None) -> Decoded:
        """The reference's picture again."""
        header = read_header(packet)
        if header.keyframe:
            y = np.full((header.height, header.width), 128, np.uint8)
            after = self._after(packet, header, None, Frame.grey(y))
        else:
            if reference is None or reference.digest != header.reference:
                raise ReferenceMissing(f"packet needs reference {header.reference.hex()}")
            after = self._after(packet, header, reference, reference.frame)
        return Decoded(after.frame, after)

    def self_test(self) -> bytes:
        return b"sized---"

    def warm_up(self, width: int, height: int) -> None:
        """Nothing to warm."""

    def _after(
        self, packet: bytes, header: PacketHeader, before: Reference | None, frame: Frame
    ) -> Reference:
        digest = digest_after(packet, before.digest if before else b"")
        return Reference(frame, digest, header.quality, None)
