# SPDX-License-Identifier: Apache-2.0
"""Turns a plan and a frame into a packet: byte budgets, the machine's time, references kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.protocol.planner import Plan
from services.rate.cpu import EFFORTS, CpuGovernor
from services.rate.enough import MOST_QUALITY, EnoughQuality
from streamcodec.metrics import MAX_PSNR_DB, psnr_plane
from streamcodec.pattern import quality_at

if TYPE_CHECKING:
    from streamcodec.codec import Codec, Encoded
    from streamcodec.frame import Frame, Reference

FINEST = 63
MAX_UNFIT = 3  # frames in a row that may be skipped because not even quality 0 fits
_FIRST_GUESS_US = 10_000


@dataclass(frozen=True, slots=True)
class Coded:
    """A coded frame; `limit` is what kept it from being finer: none, bandwidth or cpu."""

    packet: bytes
    reference: Reference
    keyframe: bool
    quality: int
    limit: str


class FrameCoder:
    """Encodes frames one after the other for the encode thread; knows no clock and no receiver.

    The caller times each encode and reports it with `took`. References are kept by digest until
    `keep` drops those that no receiver can need any more. With `enough` quality ends where the
    picture is good enough; a plan that asks for a quality gets it.
    """

    def __init__(
        self, codec: Codec, *, frame_interval_us: int, enough: EnoughQuality | None = None
    ) -> None:
        self._efforts = EFFORTS[EFFORTS.index(codec.effort) :]
        self._codecs: dict[str, Codec] = {codec.effort: codec}  # by effort, made when first needed
        self._codec = codec
        self._enough = enough
        self._references: dict[bytes, Reference] = {}
        self._unfit = 0  # frames in a row that fitted no budget
        self._since_key = 0  # frames, where no budget holds
        self._begun = False
        self.encode_us = _FIRST_GUESS_US  # what one encode takes, on average
        self._governor = CpuGovernor(
            frame_interval_us=frame_interval_us,
            finest=FINEST if enough is None else MOST_QUALITY,
            efforts=self._efforts,
        )

    def code(self, frame: Frame, plan: Plan) -> Coded | None:
        """The frame as planned; None when it fits no budget and is to be skipped."""
        reference = self._references.get(plan.reference) if plan.reference else None
        encoded = self._encode(frame, reference, plan)
        if encoded.packet is None or encoded.reference is None:
            self._unfit += 1
            return None
        self._unfit = 0
        after = encoded.reference
        self._references.setdefault(after.digest, after)
        limit = self._limit(encoded, plan)
        self._measure(frame, after)
        return Coded(encoded.packet, after, encoded.keyframe, encoded.quality, limit)

    def took(self, coded: Coded, encode_us: int) -> None:
        """How long this frame took to code."""
        self.encode_us += (encode_us - self.encode_us) // 8
        if not coded.keyframe:
            self._governor.encoded(encode_us=encode_us, quality=coded.quality)
        elif not self._begun:
            self._governor.began(encode_us=encode_us)
        self._begun = True

    @property
    def effort(self) -> str:
        """Effort of the next frame: less than was asked for on a busy machine."""
        return self._governor.effort

    def keep(self, digests: set[bytes]) -> None:
        """Drop all references but these."""
        self._references = {
            digest: held for digest, held in self._references.items() if digest in digests
        }

    def _encode(self, frame: Frame, reference: Reference | None, plan: Plan) -> Encoded:
        """Encode within the plan, or as coarse as can be where nothing fits for too long."""
        self._codec = self._at_effort(self._governor.effort)
        budget = self._budget(plan)
        finest = self._finest(plan)
        if reference is not None:
            finest = min(finest, self._governor.ceiling)
        if budget is None:
            # Nothing but quality counts: frames that later ones copy from deserve more.
            self._since_key = 0 if reference is None else self._since_key + 1
            return self._codec.encode(frame, reference, quality=quality_at(finest, self._since_key))
        encoded = self._codec.encode(frame, reference, quality=finest, budget_bytes=budget)
        if encoded.packet is None and (reference is None or self._unfit >= MAX_UNFIT):
            return self._codec.encode(frame, reference, quality=0)
        return encoded

    def _finest(self, plan: Plan) -> int:
        if plan.quality is not None:
            return plan.quality
        return FINEST if self._enough is None else self._enough.finest

    def _measure(self, frame: Frame, after: Reference) -> None:
        """How good the picture is; one without any error tells nothing of others."""
        if self._enough is not None:
            psnr_db = psnr_plane(frame.y, after.frame.y)
            if psnr_db < MAX_PSNR_DB:
                self._enough.measured(quality=after.quality, psnr_db=psnr_db)

    def _at_effort(self, effort: str) -> Codec:
        if effort not in self._codecs:
            self._codecs[effort] = self._codec.trying(effort)
        return self._codecs[effort]

    def _budget(self, plan: Plan) -> int | None:
        """Bytes of the plan, and what skipped frames left. None: only quality counts.

        Frames that did not fit left the link idle, so the next may use what they did not. Without
        that the picture would drift ever further from its reference, and nothing would ever fit.
        """
        if plan.budget_bytes is None:
            return None
        return plan.budget_bytes * (1 + self._unfit)

    def _limit(self, encoded: Encoded, plan: Plan) -> str:
        finest = self._finest(plan)
        if encoded.quality >= finest:
            return "none"
        if not encoded.keyframe and encoded.quality >= min(finest, self._governor.ceiling):
            return "cpu"
        if plan.budget_bytes is None:
            return "none"
        return "none" if plan.reason in ("none", "startup") else "bandwidth"


def most_bytes(pixels: int) -> int:
    """What a good keyframe of that size weighs: no frame needs more."""
    return max(60_000, pixels // 4)
