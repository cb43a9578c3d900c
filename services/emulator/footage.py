# SPDX-License-Identifier: Apache-2.0
"""Material of a simulation and its codec: a model of plausible sizes, or the real codec on
a clip."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from services.emulator.effortless import EffortlessCodec
from services.emulator.sized_codec import SizedCodec
from services.media.scaling import fitted
from streamcodec.bitstream import digest_after, read_header
from streamcodec.codec import Codec, Decoded, Encoded
from streamcodec.errors import ReferenceMissing
from streamcodec.frame import Frame, Reference

if TYPE_CHECKING:
    from collections.abc import Callable

_REMEMBERED = 64  # references: far more than both ends hold


class Measured(NamedTuple):
    """Quality of a frame as it is shown; None where it was not measured."""

    psnr_db: float | None
    ssim_db: float | None


class Footage(Protocol):
    """Pictures by number, the codec for them, and how good they then look."""

    @property
    def codec(self) -> Codec: ...
    @property
    def follows_steps(self) -> bool:
        """Whether there is a picture that could be made smaller."""
        ...

    def frame(self, index: int) -> Frame: ...
    def measure(self, index: int, shown: Frame, quality: int) -> Measured: ...


class ModelFootage:
    """No pictures: sizes drawn from a rate model, see `SizedCodec`."""

    follows_steps = False

    def __init__(self, *, seed: int = 1) -> None:
        self.codec = SizedCodec(seed=seed)
        self._frame = Frame.grey(np.full((48, 64), 128, np.uint8))

    def frame(self, index: int) -> Frame:
        return self._frame

    def measure(self, index: int, shown: Frame, quality: int) -> Measured:
        return Measured(self.codec.psnr_db(quality), None)


class ClipFootage:
    """The real codec on frames held in memory, played forth and back so that no cut occurs.

    Quality is that of the picture at its full size, however small it was coded.
    """

    follows_steps = True

    def __init__(
        self,
        codec: Codec,
        frames: Sequence[Frame],
        *,
        psnr: Callable[[Frame, Frame], float],
        ssim_db: Callable[[Frame, Frame], float] | None = None,
        ssim_every: int = 1,  # SSIM costs more than a frame's coding: of every so many only
    ) -> None:
        self.codec = codec
        self._frames = frames
        self._psnr = psnr
        self._ssim_db = ssim_db
        self._ssim_every = ssim_every

    def frame(self, index: int) -> Frame:
        """The picture captured as number `index`."""
        period = max(1, 2 * len(self._frames) - 2)
        position = index % period
        return self._frames[min(position, period - position)]

    def measure(self, index: int, shown: Frame, quality: int) -> Measured:
        whole = self.frame(index)
        seen = fitted(shown, whole.width, whole.height)
        similar = self._ssim_db is not None and index % self._ssim_every == 0
        return Measured(
            self._psnr(whole, seen),
            self._ssim_db(whole, seen) if similar and self._ssim_db else None,
        )


class RememberingCodec(EffortlessCodec):
    """A codec for both ends of a simulation: `decode` hands out what `encode` rebuilt.

    The codec's own tests hold that both rebuild the same; here it would only cost time.
    What a receiver may decode is still decided by the references that it holds.
    """

    def __init__(self, inner: Codec) -> None:
        super().__init__(
            inner.model_hash, size=inner.size, device=inner.device, test=inner.self_test()
        )
        self.effort = inner.effort
        self._inner = inner
        self._rebuilt: OrderedDict[bytes, Reference] = OrderedDict()
        self.budget_bytes: int | None = None  # of the last frame; None where only quality counted

    def encode(
        self,
        frame: Frame,
        reference: Reference | None = None,
        *,
        quality: int | None = None,
        budget_bytes: int | None = None,
    ) -> Encoded:
        self.budget_bytes = budget_bytes
        encoded = self._inner.encode(frame, reference, quality=quality, budget_bytes=budget_bytes)
        if encoded.reference is not None:
            self._rebuilt[encoded.reference.digest] = encoded.reference
            while len(self._rebuilt) > _REMEMBERED:
                self._rebuilt.popitem(last=False)
        return encoded

    def decode(self, packet: bytes, reference: Reference | None = None) -> Decoded:
        before = b"" if reference is None else reference.digest
        after = self._rebuilt.get(digest_after(packet, before))
        if after is None:
            raise ReferenceMissing(f"packet needs {read_header(packet).reference.hex()}")
        return Decoded(after.frame, after)
