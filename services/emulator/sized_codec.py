# SPDX-License-Identifier: Apache-2.0
"""A codec of plausible sizes and no work, for runs of transport and rate control alone.

Packets are real (headers, digests, CRC); payloads are noise. About 9% of bytes for each quality,
content that varies slowly, a keyframe several times an inter frame. PSNR rises evenly with the
quality. A picture decodes to the reference's, or to grey.
"""

from __future__ import annotations

import hashlib
import math
from random import Random

import numpy as np

from services.emulator.effortless import EffortlessCodec
from streamcodec.bitstream import (
    CRC_BYTES,
    INTER_HEADER_BYTES,
    KEY_HEADER_BYTES,
    QUALITIES,
    PacketHeader,
    digest_after,
    pack,
    read_header,
)
from streamcodec.codec import Decoded, Encoded
from streamcodec.errors import ReferenceMissing
from streamcodec.frame import Frame, Reference

_KEYFRAME_COSTS = 5.0


class SizedCodec(EffortlessCodec):
    """See the module. Deterministic: the n-th frame has the same size in every run of a seed."""

    def __init__(
        self, *, seed: int = 1, coarsest_bytes: int = 300, finest_bytes: int = 60_000
    ) -> None:
        super().__init__(hashlib.blake2b(b"sized", digest_size=8).digest(), test=b"sized---")
        self._random = Random(f"{seed}/content")
        self._noise = Random("payload").randbytes(70_000)
        self._coarsest_bytes = coarsest_bytes
        self._ratio = (finest_bytes / coarsest_bytes) ** (1 / (QUALITIES - 1))
        self._content = 0.0

    def psnr_db(self, quality: int) -> float:
        """Of the frame that was coded last, had it this quality."""
        return 27.0 + 19.0 * quality / (QUALITIES - 1) - self._content

    def encode(
        self,
        frame: Frame,
        reference: Reference | None = None,
        *,
        quality: int | None = None,
        budget_bytes: int | None = None,
    ) -> Encoded:
        """A packet of the highest quality up to `quality` that fits the budget."""
        keyframe = reference is None
        finest = QUALITIES - 1 if quality is None else quality
        fitting = self._fitting(finest, budget_bytes, keyframe=keyframe)
        if fitting is None:
            return Encoded(None, None, -1, keyframe)
        chosen, size_bytes = fitting
        header = PacketHeader(
            keyframe=keyframe,
            quality=chosen,
            stages=0,
            reference=self.model_hash if reference is None else reference.digest,
            width=frame.width if keyframe else 0,
            height=frame.height if keyframe else 0,
        )
        room = size_bytes - (KEY_HEADER_BYTES if keyframe else INTER_HEADER_BYTES) - CRC_BYTES
        packet = pack(header, self._noise[: max(0, room)])
        return Encoded(packet, self._after(packet, header, reference, frame), chosen, keyframe)

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

    def _fitting(
        self, finest: int, budget_bytes: int | None, *, keyframe: bool
    ) -> tuple[int, int] | None:
        """Quality and size of the next frame."""
        self._content = 0.97 * self._content + 0.06 * self._random.gauss(0, 1)
        base = self._coarsest_bytes * math.exp(self._content + 0.02 * self._random.gauss(0, 1))
        base *= _KEYFRAME_COSTS if keyframe else 1.0
        for quality in range(finest, -1, -1):
            size = int(base * self._ratio**quality)
            if budget_bytes is None or size <= budget_bytes:
                return quality, size
        return None

    def _after(
        self, packet: bytes, header: PacketHeader, before: Reference | None, frame: Frame
    ) -> Reference:
        digest = digest_after(packet, before.digest if before else b"")
        return Reference(frame, digest, header.quality, None)
