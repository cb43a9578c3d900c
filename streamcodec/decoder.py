# SPDX-License-Identifier: Apache-2.0
"""Decodes a packet's payload to the next reference."""

from __future__ import annotations

import numpy as np

from streamcodec import _core
from streamcodec import contexts as cx
from streamcodec.bitstream import LOOP_FILTER, NETWORK, PacketHeader
from streamcodec.blocks import layout, loopfilter, transform
from streamcodec.correction import Network, Networks, Stage, areas_acting, read_levels
from streamcodec.errors import PayloadError
from streamcodec.frame import Reference
from streamcodec.model import Model, filter_of
from streamcodec.state import I16, U8, Planes, ReferenceState, reference_after, state_of
from streamcodec.workspace import Workspace


def decode(
    model: Model,
    packet: bytes,
    header: PacketHeader,
    payload: bytes,
    reference: Reference | None,
    *,
    width: int,
    height: int,
    workspace: Workspace,
    networks: Networks | None = None,
    pool: _core.Pool | None = None,
) -> Reference:
    """Decode a checked packet; `reference` is None for a keyframe. Raises PayloadError."""
    rows, columns = (height + 15) // 16, (width + 15) // 16
    state = (
        ReferenceState.none(model, rows, columns, header.quality)
        if reference is None
        else state_of(reference)
    )
    contexts = state.contexts.copy()
    blocks = _core.Blocks(rows, columns)
    planes = empty_planes(rows, columns) if reference is None else room_for_planes(rows, columns)
    flags = loopfilter.no_flags(rows, columns)
    key = reference is None
    network: Network | None = None
    reader = _core.Reader(payload)
    try:
        reader.blocks(
            contexts,
            key,
            blocks,
            state.field,
            state.counts,
            cx.quality_trend(header.quality, state.quality),
        )
        if header.stages & LOOP_FILTER:
            reader.areas(contexts, flags)
        if header.stages & NETWORK:
            network = None if networks is None else networks.of(key)
            if network is None:
                raise _not_encoded(packet, "the network that it needs")
            levels = read_levels(reader, areas_acting(blocks))
        symbols, moved = _read_symbols(
            reader,
            model,
            header,
            state,
            blocks=blocks,
            planes=planes,
            key=key,
            workspace=workspace,
            pool=pool,
        )
    except _core.Damaged as error:
        raise _not_encoded(packet, str(error)) from None
    if not reader.finished() or len(payload) % 2:
        raise _not_encoded(packet, "its end")
    y, u, v = planes
    predicted = None if key or network is None else (y.copy(), u.copy(), v.copy())
    steps_q3 = transform.plane_steps_q3(header.quality)
    _core.rebuild(blocks, symbols, transform.CHANNEL_STEPS_Q3[header.quality], planes, pool)
    _core.deblock(blocks, *steps_q3, planes, pool)
    weights = filter_of(model, key, header.quality)
    _core.filter_rebuild(planes, flags, blocks, steps_q3, weights, pool, workspace.filter)
    if network is not None:
        stage = Stage(network, header.quality, blocks, predicted, workspace.conv, pool)
        planes = stage.apply(planes, levels)
    return reference_after(
        packet,
        b"" if reference is None else reference.digest,
        width=width,
        height=height,
        quality=header.quality,
        planes=planes,
        blocks=blocks,
        symbols=symbols,
        moved=moved,
        contexts=model.contexts[1] if key else contexts,
    )


def _read_symbols(
    reader: _core.Reader,
    model: Model,
    header: PacketHeader,
    state: ReferenceState,
    *,
    blocks: _core.Blocks,
    planes: Planes,
    key: bool,
    workspace: Workspace,
    pool: _core.Pool | None,
) -> tuple[I16, U8]:
    """Symbols (blocks, 384) and the moved memory; fills the planes of an inter frame with the
    prediction. Raises Damaged."""
    symbols = np.zeros((len(state.memory), layout.CHANNELS), np.int16)
    moved, moved_counts = state.moved(blocks)
    _core.describe(workspace.prior, blocks, moved_counts, header.quality, state.quality, key)
    if not key:
        steps_q3 = transform.plane_steps_q3(header.quality)
        _core.predict(state.planes, blocks, planes, pool)
        _core.remember_reference(workspace.prior, blocks, moved, planes, *steps_q3, pool)
    _core.read_symbols(
        model.prior,
        workspace.prior,
        reader,
        model.cumulative,
        blocks.counts,
        header.quality,
        symbols,
        pool,
    )
    return symbols, moved


def empty_planes(rows: int, columns: int) -> Planes:
    """Planes of so many blocks, all zero."""
    return (
        np.zeros((16 * rows, 16 * columns), np.uint8),
        np.zeros((8 * rows, 8 * columns), np.uint8),
        np.zeros((8 * rows, 8 * columns), np.uint8),
    )


def room_for_planes(rows: int, columns: int) -> Planes:
    """Uninitialised planes of so many blocks."""
    return (
        np.empty((16 * rows, 16 * columns), np.uint8),
        np.empty((8 * rows, 8 * columns), np.uint8),
        np.empty((8 * rows, 8 * columns), np.uint8),
    )


def _not_encoded(packet: bytes, what: str) -> PayloadError:
    return PayloadError(f"packet of {len(packet)} bytes: {what} cannot be what was encoded")
