# SPDX-License-Identifier: Apache-2.0
"""The codec as a function: frame, reference and parameters in; packet and next reference out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from streamcodec import bitstream, decoder
from streamcodec.bitstream import QUALITIES
from streamcodec.correction import Networks
from streamcodec.effort import Effort
from streamcodec.encoder import FrameEncoder
from streamcodec.errors import FrameError, ModelError, ReferenceMissing
from streamcodec.frame import Frame, Reference
from streamcodec.model import Model
from streamcodec.networks import prior as priors
from streamcodec.networks.conv import exactness
from streamcodec.parallel import Threads
from streamcodec.passes import Attempt
from streamcodec.workspace import Workspace, Workspaces

if TYPE_CHECKING:
    from streamcodec.dense.device import Device

ENCODERS = ("auto", "native", "dense")
_TEST_ROWS = 64  # inputs of the self test, for each stack


@dataclass(frozen=True, slots=True)
class Encoded:
    """Result of `Codec.encode`.

    `packet` and `reference` are None when not even quality 0 fits the budget; `quality` is
    then -1. `reference.frame` is the picture that the receiver will show.
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
    """A loaded model that encodes and decodes; holds no state between calls.

    `encoder` is `native`, the core's on the processor, or `dense`, torch's on the codec's device.
    """

    encoder = "native"

    def __init__(
        self,
        model: Model,
        *,
        size: str = "S",
        device: str = "cpu",
        effort: Effort = Effort.NORMAL,
        networks: Networks | None = None,
        dense: Device | None = None,
        threads: Threads | None = None,
    ) -> None:
        self.model = model
        self.size = size
        self.device = device
        self.effort = effort
        self.model_hash = model.digest
        self._threads = threads
        self._pool = None if threads is None else threads.pool
        self._workspaces = Workspaces()
        self._networks = networks
        self._dense = dense
        if dense is not None:
            self.encoder = "dense"

    @classmethod
    def load(
        cls,
        size: str = "S",
        *,
        device: str = "auto",
        weights: Path | None = None,
        effort: Effort = Effort.NORMAL,
        encoder: str = "auto",
        threads: Threads | None = None,
    ) -> Codec:
        """Load the shipped weights of a size. Raises ModelError when they are absent or damaged.

        Size `auto` is M where there is a CUDA device that `device` allows, else S. The encoder is
        `native` or `dense`; `auto` is dense on a GPU. `threads` run a picture's independent jobs
        in parallel, with the same bytes; their owner closes them.
        """
        from streamcodec import weights as files  # noqa: PLC0415  (weights build on this)

        if encoder not in ENCODERS:
            raise ModelError(f"encoder is {encoder!r}, expected one of {', '.join(ENCODERS)}")
        size = files.pick_size(size, device, weights)
        model = files.load(size, weights)
        device = files.pick_device(device, networks=model.has_networks or encoder == "dense")
        if encoder == "auto":
            encoder = "native" if device == "cpu" else "dense"
        return cls(
            model,
            size=size,
            device=device,
            effort=effort,
            networks=files.load_networks(model, device) if model.has_networks else None,
            dense=files.load_dense(model, device) if encoder == "dense" else None,
            threads=threads,
        )

    def sharing(self, threads: Threads) -> Codec:
        """The same codec with these threads for a picture's independent jobs."""
        return self._with(self.effort, threads)

    def trying(self, effort: str) -> Codec:
        """The same codec at another effort: fast, normal or best."""
        return self._with(Effort(effort), self._threads)

    def _with(self, effort: Effort, threads: Threads | None) -> Codec:
        return Codec(
            self.model,
            size=self.size,
            device=self.device,
            effort=effort,
            networks=self._networks,
            dense=self._dense,
            threads=threads,
        )

    def encode(
        self,
        frame: Frame,
        reference: Reference | None = None,
        *,
        quality: int | None = None,
        budget_bytes: int | None = None,
    ) -> Encoded:
        """Code a frame: a keyframe without reference, else an inter frame against it.

        `quality` (0 coarsest to 63 finest) alone is met exactly. With `budget_bytes` the packet is
        never larger and has the highest quality that fits (effort `fast`: one that uses most of the
        budget), at most `quality` where both are given. Raises FrameError when the reference has
        another size.
        """
        if quality is None and budget_bytes is None:
            raise ValueError("give quality, budget_bytes, or both")
        if quality is not None and not 0 <= quality < QUALITIES:
            raise ValueError(f"quality is {quality}, expected 0 to {QUALITIES - 1}")
        if reference is not None and (
            reference.frame.width != frame.width or reference.frame.height != frame.height
        ):
            raise FrameError(
                f"frame is {frame.width}x{frame.height}, its reference "
                f"{reference.frame.width}x{reference.frame.height}: code a keyframe instead"
            )
        with self._workspaces.borrow() as workspace:
            encoder = self._frame_encoder(frame, reference, workspace)
            if budget_bytes is None:
                assert quality is not None
                best: Attempt | None = encoder.at(quality)
            else:
                start = reference.quality if reference is not None else QUALITIES // 2
                finest = QUALITIES - 1 if quality is None else quality
                best = encoder.within(budget_bytes, start, finest)
            if best is None:
                return Encoded(None, None, -1, reference is None)
            after = encoder.reference_after(best)
        return Encoded(best.packet, after, best.quality, reference is None)

    def _frame_encoder(
        self, frame: Frame, reference: Reference | None, workspace: Workspace
    ) -> FrameEncoder:
        make: Callable[..., FrameEncoder] = FrameEncoder
        if self._dense is not None:
            from streamcodec.dense.encoder import DenseFrameEncoder  # noqa: PLC0415  (torch)

            make = partial(DenseFrameEncoder, device=self._dense)
        return make(
            self.model,
            frame,
            reference,
            effort=self.effort,
            workspace=workspace,
            networks=self._networks,
            pool=self._pool,
        )

    def decode(self, packet: bytes, reference: Reference | None = None) -> Decoded:
        """Decode a packet against the reference it names.

        Raises ReferenceMissing (another reference needed), ModelError (made with other
        weights) or BitstreamError (bytes are wrong), and nothing else.
        """
        header, payload = bitstream.unpack(packet)
        if header.keyframe:
            if header.reference != self.model.digest:
                raise ModelError(
                    f"packet was made with model {header.reference.hex()}, "
                    f"this is {self.model.digest.hex()}: use the same weights at both ends"
                )
            reference = None
            width, height = header.width, header.height
        else:
            if reference is None or reference.digest != header.reference:
                raise ReferenceMissing(f"packet needs reference {header.reference.hex()}")
            width, height = reference.frame.width, reference.frame.height
        with self._workspaces.borrow() as workspace:
            after = decoder.decode(
                self.model,
                packet,
                header,
                payload,
                reference,
                width=width,
                height=height,
                workspace=workspace,
                networks=self._networks,
                pool=self._pool,
            )
        return Decoded(after.frame, after)

    def rest(self) -> None:
        """Free the scratch memory (80 MB after 4096x2304); the next call allocates it again."""
        self._workspaces.clear()

    def self_test(self) -> bytes:
        """8 bytes that are equal on all devices that decode packets identically.

        A digest of the tables that every stack of the prior chooses for fixed inputs, and of the
        decoder networks' outputs for others.
        """
        state = hashlib.blake2b(self.model_hash, digest_size=bitstream.MODEL_HASH_BYTES)
        for stack_id in priors.stack_ids():
            rows = priors.fixed_rows(stack_id, _TEST_ROWS)
            for quality in (0, 31, QUALITIES - 1):
                found = self.model.prior.tables(
                    stack_id.frame_type == 0, stack_id.group, stack_id.phase, rows, quality
                )
                state.update(found.tobytes())
        if self._networks is not None:
            for network in (self._networks.key, self._networks.inter):
                if network is not None:
                    state.update(exactness.digest(network.raw, network.weights))
        return state.digest()

    def warm_up(self, width: int, height: int) -> None:
        """Encode and decode once, so that the next calls run at full speed."""
        flat = np.full((height, width), 90, np.uint8)
        flat[::3, ::5] = 160
        frame = Frame.grey(flat)
        key = self.encode(frame, quality=20)
        assert key.reference is not None
        assert key.packet is not None
        inter = self.encode(Frame.grey(np.roll(flat, 3, axis=1)), key.reference, quality=24)
        assert inter.packet is not None
        self.decode(inter.packet, self.decode(key.packet).reference)
