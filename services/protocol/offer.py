# SPDX-License-Identifier: Apache-2.0
"""What a sender offers, and whether a receiver fits it; pure."""

from __future__ import annotations

from dataclasses import dataclass

from services.protocol import messages as m


@dataclass(frozen=True, slots=True)
class Offer:
    """What this sender offers, and what a receiver must have. An empty self-test (of a recording,
    whose encoder is not known) is not checked."""

    epoch: int
    stream: str
    model_hash: bytes
    self_test: bytes
    size: str
    boot_id: bytes
    frame_interval_us: int

    def refusal(self, hello: m.Hello) -> str:
        """Why this receiver cannot be served; "" when it can."""
        if m.VERSION not in hello.versions:
            return f"the sender speaks protocol version {m.VERSION} only: update the older end"
        if hello.stream and hello.stream != self.stream:
            return f"there is no stream {hello.stream!r} here, only {self.stream!r}"
        if hello.model_hash and hello.model_hash != self.model_hash:
            return (
                f"the receiver has model {hello.model_hash.hex()}, the sender {self.size} "
                f"{self.model_hash.hex()}: use the same size and weights at both ends"
            )
        if hello.self_test and self.self_test and hello.self_test != self.self_test:
            return (
                "the receiver's device computes other symbols than the sender's: "
                "run `streamcodec doctor` at both ends"
            )
        return ""

    def welcome(self, *, width: int, height: int) -> m.Welcome:
        """The answer to a HELLO that fits."""
        return m.Welcome(
            epoch=self.epoch,
            stream=self.stream,
            model_hash=self.model_hash,
            self_test=self.self_test,
            size=self.size,
            width=width,
            height=height,
            frame_interval_us=self.frame_interval_us,
            boot_id=self.boot_id,
        )


def frame_interval_us(fps: float) -> int:
    """The period of a frame rate, within the bounds of WELCOME."""
    return min(max(round(1e6 / fps), m.MIN_INTERVAL_US), m.MAX_INTERVAL_US)
