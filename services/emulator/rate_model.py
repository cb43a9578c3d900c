# SPDX-License-Identifier: Apache-2.0
"""What codes a frame in a simulation: a model with plausible sizes, or the real codec on a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Protocol

from services.media.scaling import fitted
from services.rate.resolution import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamcodec.codec import Codec
    from streamcodec.frame import Frame, Reference

QUALITIES = 64


@dataclass(frozen=True, slots=True)
class CodedFrame:
    """A frame within its budget. `reference` is what the next frame may start from."""

    size_bytes: int
    quality: int
    reference: object
    psnr_db: float | None
    ssim_db: float | None


class FrameCoder(Protocol):
    """Codes captured frames by number."""

    keyframe_floor_bytes: int  # least size worth coding as a keyframe

    follows_steps: bool  # whether there is a picture that could be made smaller

    def encode(
        self, index: int, reference: object | None, budget_bytes: int, step: Step = Step.FULL
    ) -> CodedFrame | None:
        """Code a frame at this size, as a keyframe without a reference; None when nothing fits."""
        ...


class ModelCoder:
    """Sizes drawn from a rate model: about 9% per quality step, content that varies slowly, and a
    keyframe several times an inter frame. PSNR rises evenly with the quality."""

    keyframe_floor_bytes = 4_800
    follows_steps = False

    def __init__(self, *, seed: int = 1, coarsest_bytes: int = 300, finest_bytes: int = 60_000):
        self._random = Random(f"{seed}/content")
        self._coarsest_bytes = coarsest_bytes
        self._ratio = (finest_bytes / coarsest_bytes) ** (1 / (QUALITIES - 1))
        self._content = 0.0

    def encode(
        self, index: int, reference: object | None, budget_bytes: int, step: Step = Step.FULL
    ) -> CodedFrame | None:
        self._content = 0.97 * self._content + 0.06 * self._random.gauss(0, 1)
        factor = 2.718281828 ** (self._content + 0.02 * self._random.gauss(0, 1))
        base = self._coarsest_bytes * factor * (5.0 if reference is None else 1.0)
        for quality in range(QUALITIES - 1, -1, -1):
            size = int(base * self._ratio**quality)
            if size <= budget_bytes:
                psnr = 27.0 + 19.0 * quality / (QUALITIES - 1) - self._content
                return CodedFrame(size, quality, index, psnr, None)
        return None


class ClipCoder:
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
        self._codec = codec
        self._frames = frames
        self._psnr = psnr
        self._ssim_db = ssim_db
        self._ssim_every = ssim_every
        first = frames[0]
        self.keyframe_floor_bytes = max(600, first.width * first.height // 48)

    def frame(self, index: int) -> Frame:
        """The picture captured as number `index`."""
        period = max(1, 2 * len(self._frames) - 2)
        position = index % period
        return self._frames[min(position, period - position)]

    def encode(
        self, index: int, reference: object | None, budget_bytes: int, step: Step = Step.FULL
    ) -> CodedFrame | None:
        whole = self.frame(index)
        frame = fitted(whole, *step.size(whole.width, whole.height))
        start: Reference | None = reference  # type: ignore[assignment]  # what we handed out before
        encoded = self._codec.encode(frame, start, budget_bytes=budget_bytes)
        if encoded.packet is None or encoded.reference is None:
            return None
        shown = fitted(encoded.reference.frame, whole.width, whole.height)
        measured = index % self._ssim_every == 0
        return CodedFrame(
            size_bytes=len(encoded.packet),
            quality=encoded.quality,
            reference=encoded.reference,
            psnr_db=self._psnr(whole, shown),
            ssim_db=self._ssim_db(whole, shown) if measured and self._ssim_db else None,
        )
