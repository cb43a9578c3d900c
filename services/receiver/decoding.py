# SPDX-License-Identifier: Apache-2.0
"""Packets in, pictures or reasons out: holds the references and never shows a wrong picture."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.process.memory import give_back
from services.protocol.messages import KeyframeReason, Outcome
from services.protocol.viewer import references_held
from streamcodec.bitstream import read_header
from streamcodec.errors import BitstreamError, ModelError, ReferenceMissing

if TYPE_CHECKING:
    from streamcodec.codec import Codec
    from streamcodec.frame import Frame, Reference

_KEPT_PIXELS = 1920 * 1088  # of a reference that is kept without a session
MAX_FAILURES = 50  # of the decoder itself, in a row, before giving up


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded packet."""

    frame: Frame
    keyframe: bool
    quality: int


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Why a packet gave no picture. `broken` when the decoder failed, not the packet."""

    outcome: Outcome
    reason: KeyframeReason
    text: str
    broken: bool = False


class Decoding:
    """Decodes packets in order of arrival, each against the reference that it names.

    Of several codecs a keyframe takes the one whose model it names, and what follows it the same.
    """

    def __init__(self, codec: Codec, *others: Codec) -> None:
        self._first = codec
        self._codecs = {one.model_hash: one for one in (codec, *others)}
        self._references: OrderedDict[bytes, tuple[Reference, Codec]] = OrderedDict()
        self._failures = 0

    def decode(self, packet: bytes) -> Picture | Undecodable:
        """Decode one packet.

        A decoder that breaks (a lost GPU, a bug) costs the picture; after MAX_FAILURES in a row its
        error is raised.
        """
        try:
            header = read_header(packet)
            reference = None
            if header.keyframe:
                codec = self._codecs.get(header.reference, self._first)
            elif header.reference in self._references:
                reference, codec = self._references[header.reference]
            else:
                return _missing(f"reference {header.reference.hex()} is not held")
            frame, after = codec.decode(packet, reference)
        except ReferenceMissing as error:
            return _missing(str(error))
        except (BitstreamError, ModelError) as error:
            return Undecodable(Outcome.DAMAGED, KeyframeReason.DAMAGED, str(error))
        except Exception as error:
            self._failures += 1
            if self._failures >= MAX_FAILURES:
                raise
            return Undecodable(Outcome.DAMAGED, KeyframeReason.DAMAGED, repr(error), broken=True)
        self._failures = 0
        self._references[after.digest] = after, codec
        self._references.move_to_end(after.digest)
        while len(self._references) > references_held(frame.width * frame.height):
            self._references.popitem(last=False)
        return Picture(frame, header.keyframe, header.quality)

    def rest(self) -> None:
        """Give back the memory of pictures.

        The last reference stays, since a sender may go on from it, unless it is a large one.
        """
        while len(self._references) > 1:
            self._references.popitem(last=False)
        if any(_is_large(reference.frame) for reference, _ in self._references.values()):
            self._references.clear()
        for codec in self._codecs.values():
            codec.rest()
        give_back()


def _is_large(frame: Frame) -> bool:
    return frame.width * frame.height > _KEPT_PIXELS


def _missing(text: str) -> Undecodable:
    return Undecodable(Outcome.REFERENCE_MISSING, KeyframeReason.REFERENCE_MISSING, text)
