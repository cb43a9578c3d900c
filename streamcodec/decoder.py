# SPDX-License-Identifier: Apache-2.0
"""From a packet's payload to the next reference."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamcodec import contexts as cx
from streamcodec import rebuild, syntax
from streamcodec.bitstream import PacketHeader
from streamcodec.blocks import deblock, layout, loopfilter, transform
from streamcodec.entropy import rans, tables
from streamcodec.errors import PayloadError
from streamcodec.frame import Reference
from streamcodec.model import Model, filter_of
from streamcodec.motion import compensate
from streamcodec.networks import features
from streamcodec.networks.prior import walk
from streamcodec.state import State, reference_after, state_of

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]


def decode(
    model: Model,
    packet: bytes,
    header: PacketHeader,
    payload: bytes,
    reference: Reference | None,
    width: int,
    height: int,
) -> Reference:
    """Decode a checked packet; `reference` is None for a keyframe. Raises PayloadError."""
    rows, columns = (height + 15) // 16, (width + 15) // 16
    before = (
        State.none(model, rows, columns, header.quality)
        if reference is None
        else state_of(reference)
    )
    words = rans.words_of(payload)
    stream = rans.start(words)
    contexts = before.contexts.copy()
    modes = np.zeros((rows, columns), np.uint8)
    counts = np.zeros((rows, columns), np.uint8)
    splits = np.zeros((rows, columns), np.uint8)
    intra_modes = np.full((2 * rows, 2 * columns), -1, np.int8)
    field = np.zeros((2 * rows, 2 * columns, 2), np.int16)

    def check(fine: bool, what: str) -> None:
        # An honest stream never reads beyond its words: stop before more time is spent on it.
        if not fine or stream[rans.STATE_OVERRUN]:
            raise PayloadError(f"packet of {len(packet)} bytes: {what} cannot be what was encoded")

    check(
        syntax.read(
            stream,
            words,
            contexts,
            reference is None,
            modes,
            field,
            before.field,
            intra_modes,
            counts,
            before.counts,
            splits,
            cx.pace(header.quality, before.quality),
        ),
        "its blocks",
    )
    flags = loopfilter.no_flags(rows, columns)
    if header.filter_strength:
        syntax.read_areas(stream, words, contexts, flags)
    moved, moved_counts = before.moved(field, modes)
    misc = np.empty((rows * columns, features.MISC), np.uint8)
    features.misc(
        modes,
        field,
        intra_modes,
        counts,
        moved_counts,
        splits,
        header.quality,
        before.quality,
        misc,
    )
    y = np.zeros((16 * rows, 16 * columns), np.uint8)
    u = np.zeros((8 * rows, 8 * columns), np.uint8)
    v = np.zeros_like(u)
    seen: U8 | None = None
    if reference is not None:
        before_y, before_u, before_v = (compensate.pad(plane) for plane in before.planes)
        rebuild.predict_inter(modes, field, before_y, before_u, before_v, y, u, v)
        rebuild.overlap(modes, field, before_y, before_u, before_v, y, u, v)
        seen = features.reference_rows(
            moved, (y, u, v), modes, counts, transform.CHANNEL_STEPS_Q3[header.quality]
        )
    symbols = np.zeros((rows * columns, layout.CHANNELS), np.int16)
    stacks = model.prior.stacks[0 if reference is None else 1]

    def visit(group: int, phase: int, blocks: I32, inputs: U8) -> None:
        first, last = layout.GROUP_STARTS[group], layout.GROUP_STARTS[group + 1]
        found = stacks[group][phase].tables(inputs, header.quality)
        values = np.empty(found.shape, np.int16)
        fine = tables.get_symbols(
            stream, words, found.reshape(-1), model.cumulative, values.reshape(-1)
        )
        check(fine, f"symbol group {group}")
        symbols[blocks, first:last] = values

    walk(counts, symbols, misc, seen, visit)
    check(rans.finished(stream, words) and len(payload) % 2 == 0, "its end")

    rebuild.rebuild(
        modes,
        intra_modes,
        counts,
        splits,
        symbols,
        transform.CHANNEL_STEPS_Q3[header.quality],
        y,
        u,
        v,
    )
    steps_q3 = transform.plane_steps_q3(header.quality)
    deblock.picture(modes, field, counts, splits, *steps_q3, y, u, v)
    weights = filter_of(model, reference is None, header.quality)
    loopfilter.rebuild((y, u, v), flags, counts, modes, steps_q3, weights)
    return reference_after(
        packet,
        b"" if reference is None else reference.digest,
        width=width,
        height=height,
        quality=header.quality,
        planes=(y, u, v),
        field=field,
        counts=counts,
        symbols=symbols,
        moved=moved,
        contexts=model.contexts[1] if reference is None else contexts,
    )
