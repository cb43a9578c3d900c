# SPDX-License-Identifier: Apache-2.0
"""What a receiver is, and whether a sender's offer fits it; pure."""

from __future__ import annotations

from dataclasses import dataclass

from services.protocol import messages as m


@dataclass(frozen=True, slots=True)
class ModelMark:
    """What both ends must have alike, so that they decode the same samples."""

    model_hash: bytes
    self_test: bytes


@dataclass(frozen=True, slots=True)
class Profile:
    """What this receiver is. A relay leaves both hashes empty.

    `others` are models it has besides: a sender that refuses one is asked with the next.
    """

    model_hash: bytes
    self_test: bytes
    stream: str
    name: str
    instance: int
    boot_id: bytes
    hold_us: int = 0
    others: tuple[ModelMark, ...] = ()

    @property
    def models(self) -> tuple[ModelMark, ...]:
        """All that this receiver has, the first choice first."""
        return (ModelMark(self.model_hash, self.self_test), *self.others)

    def hello(self, model: ModelMark) -> m.Hello:
        """Ask for the stream with one of the models."""
        return m.Hello(
            versions=(m.VERSION,),
            model_hash=model.model_hash,
            self_test=model.self_test,
            stream=self.stream,
            name=self.name,
            instance=self.instance,
            boot_id=self.boot_id,
            hold_us=self.hold_us,
        )

    def refusal(self, offer: m.Welcome) -> str:
        """Why the offer does not fit; "" when it does."""
        if self.stream and offer.stream != self.stream:
            return f"the sender offers stream {offer.stream!r}, this receiver wants another"
        own = next((one for one in self.models if one.model_hash == offer.model_hash), None)
        if own is None and self.model_hash:
            return (
                f"the sender has model {offer.size} {offer.model_hash.hex()}, the receiver "
                f"{self.model_hash.hex()}: use the same size and weights at both ends"
            )
        if own and own.self_test and offer.self_test and offer.self_test != own.self_test:
            return (
                "the sender's device computes other symbols than the receiver's: "
                "run `streamcodec doctor` at both ends"
            )
        return ""
