# SPDX-License-Identifier: Apache-2.0
"""One frame at any quality: two passes of quantisation, then bytes and the picture they give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

from streamcodec import analysis, bitstream, rebuild, syntax
from streamcodec import contexts as cx
from streamcodec.analysis import Analysis
from streamcodec.blocks import deblock, layout, loopfilter, quantise, transform
from streamcodec.entropy import rans, tables
from streamcodec.frame import Frame, Reference
from streamcodec.model import Model, filter_of
from streamcodec.motion import field as fields
from streamcodec.networks import features
from streamcodec.networks.prior import walk
from streamcodec.state import Planes, State, reference_after, state_of

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
F32 = npt.NDArray[np.float32]

# Below 1/2, so that the first pass leaves about what the weighed second one will.
_FIRST_PASS_ROUNDING = 0.35
# What coding a still block must gain when the frame is not to be finer than its reference: else it
# only quantises the reference's own error once more. Costs nothing on clips that move.
_NEWS_BITS = 96
_STILL_SHARE = 0.97
_FEWEST_GROUPS = 2  # that the second pass may code in an intra block, whatever the first one did
_STARTS = np.array(layout.GROUP_STARTS, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """A frame coded at one quality."""

    quality: int
    packet: bytes
    planes: Planes  # decoded picture, sides multiples of 16
    unfiltered: Planes  # the same before the loop filter
    counts: U8
    symbols: I16
    tables: U8
    contexts: U16
    moved: U8
    moved_counts: U8
    looked_at: U8 | None  # `features.reference_rows`, None in keyframes
    modes: U8
    intra_modes: I8
    splits: U8
    field: I16


class FrameEncoder:
    """Codes one frame against one reference at any quality; the analysis is shared.

    Calls with the same quality return the same attempt.
    """

    def __init__(
        self,
        model: Model,
        frame: Frame,
        reference: Reference | None,
        run: analysis.Run = analysis.one_by_one,
    ) -> None:
        self._model = model
        self._run = run
        self._frame = frame
        self._reference = reference
        self._source = analysis.padded(frame.planes)
        self._before = None if reference is None else state_of(reference)
        self._seen: dict[int, Analysis] = {}
        self._done: dict[int, Attempt] = {}

    def at(self, quality: int) -> Attempt:
        """The frame coded at this quality."""
        if quality not in self._done:
            self._done[quality] = self._attempt(quality)
        return self._done[quality]

    def reference_after(self, attempt: Attempt) -> Reference:
        """The reference that an attempt's packet leads to."""
        return reference_after(
            attempt.packet,
            b"" if self._reference is None else self._reference.digest,
            width=self._frame.width,
            height=self._frame.height,
            quality=attempt.quality,
            planes=attempt.planes,
            field=attempt.field,
            counts=attempt.counts,
            symbols=attempt.symbols,
            moved=attempt.moved,
            contexts=self._model.contexts[1] if self._reference is None else attempt.contexts,
        )

    def _look(self, quality: int) -> Analysis:
        bucket = quality // analysis.KEY_BUCKET if self._before is None else 0
        if bucket not in self._seen:
            self._seen[bucket] = (
                analysis.analyse_key(self._source, quality, self._run)
                if self._before is None
                else analysis.analyse_inter(self._source, self._before, self._run)
            )
        return self._seen[bucket]

    def _attempt(self, quality: int) -> Attempt:
        seen = self._look(quality)
        steps_q3 = transform.CHANNEL_STEPS_Q3[quality]
        rows, columns = seen.modes.shape
        before = self._before or State.none(self._model, rows, columns, quality)
        moved, moved_counts = before.moved(seen.field, seen.modes)
        looked_at: U8 | None = None

        def find_tables(symbols: I16, counts: U8) -> U8:
            misc = np.empty((rows * columns, features.MISC), np.uint8)
            features.misc(
                seen.modes,
                seen.field,
                seen.intra_modes,
                counts,
                moved_counts,
                seen.splits,
                quality,
                before.quality,
                misc,
            )
            found = np.zeros(symbols.shape, np.uint8)
            stacks = self._model.prior.stacks[0 if seen.key else 1]

            def visit(group: int, phase: int, blocks: I32, inputs: U8) -> None:
                first, last = layout.GROUP_STARTS[group], layout.GROUP_STARTS[group + 1]
                found[blocks, first:last] = stacks[group][phase].tables(inputs, quality)

            walk(counts, symbols, misc, looked_at, visit)
            return found

        hurdle = np.zeros((rows, columns), np.uint8)
        if not seen.key and quality <= before.quality:
            reach = np.abs(seen.field[::2, ::2]).max(axis=2)
            still = reach == 0
            # Where almost everything stands, a small vector follows noise.
            hurdle[reach <= 2 if still.mean() > _STILL_SHARE else still & (seen.free > 0)] = (
                _NEWS_BITS
            )

        def code(found: U8, symbols: I16, counts: U8) -> Planes:
            y, u, v = (plane.copy() for plane in seen.prediction)
            rebuild.code(
                seen.source,
                seen.modes,
                seen.intra_modes,
                seen.splits,
                seen.coefficients,
                found,
                self._model.costs_q8,
                quantise.KEY_MU if seen.key else quantise.MU,
                steps_q3,
                before.contexts,
                before.counts,
                cx.pace(quality, before.quality),
                seen.free,
                hurdle,
                counts,
                symbols,
                y,
                u,
                v,
            )
            return y, u, v

        # First pass, to learn what each symbol would cost.
        symbols = np.zeros((rows * columns, layout.CHANNELS), np.int16)
        if seen.key:
            # Neighbours must be decoded ones already here: predicted from the source, a smooth
            # block seems to need nothing, and errors would spread unseen.
            counts = np.full((rows, columns), layout.GROUPS, np.uint8)
            code(_guess(quality, rows * columns), symbols, counts)
            np.maximum(counts, _FEWEST_GROUPS, out=counts)
        else:
            counts = np.zeros((rows, columns), np.uint8)
            _quantise_plainly(seen.coefficients, steps_q3, _FIRST_PASS_ROUNDING, symbols, counts)
            counts[seen.modes >= fields.INTRA16] = np.maximum(
                counts[seen.modes >= fields.INTRA16], _FEWEST_GROUPS
            )
        if not seen.key:
            looked_at = features.reference_rows(
                moved, seen.prediction, seen.modes, counts, steps_q3
            )
        found = find_tables(symbols, counts)
        # Second pass: final symbols by rate and distortion, and the picture.
        y, u, v = code(found, symbols, counts)
        splits = np.where((counts > 0) | (seen.modes == fields.INTRA8), seen.splits, 0).astype(
            np.uint8
        )
        found = find_tables(symbols, counts)
        contexts = before.contexts.copy()
        deblock.picture(
            seen.modes, seen.field, counts, splits, *transform.plane_steps_q3(quality), y, u, v
        )
        unfiltered = (y.copy(), u.copy(), v.copy())
        flags = self._filter(seen, counts, quality, (y, u, v))
        payload = self._payload(
            seen, splits, symbols, counts, found, before, contexts, flags, quality
        )
        header = bitstream.PacketHeader(
            keyframe=seen.key,
            quality=quality,
            filter_strength=0 if flags is None else 1,
            reference=self._model.digest if self._reference is None else self._reference.digest,
            width=self._frame.width,
            height=self._frame.height,
        )
        return Attempt(
            quality,
            bitstream.pack(header, payload),
            (y, u, v),
            unfiltered,
            counts,
            symbols,
            found,
            contexts,
            moved,
            moved_counts,
            looked_at,
            seen.modes,
            seen.intra_modes,
            splits,
            seen.field,
        )

    def _filter(self, seen: Analysis, counts: U8, quality: int, planes: Planes) -> U8 | None:
        """Run the loop filter where it helps; which areas, or None when nowhere."""
        weights = filter_of(self._model, seen.key, quality)
        if not weights.any() or not (counts.any() or seen.key):
            return None
        steps_q3 = transform.plane_steps_q3(quality)
        # An area's flag is one bit or less: worth lambda squared errors.
        worth = (
            int(quantise.MU * (steps_q3[0] / 8) ** 2),
            int(quantise.MU * (steps_q3[1] / 8) ** 2),
        )
        flags = loopfilter.search(seen.source, planes, counts, seen.modes, steps_q3, weights, worth)
        return flags if flags.any() else None

    def _payload(
        self,
        seen: Analysis,
        splits: U8,
        symbols: I16,
        counts: U8,
        found: U8,
        before: State,
        contexts: U16,
        flags: U8 | None,
        quality: int,
    ) -> bytes:
        """Entropy-code everything; adapts `contexts`."""
        out = np.empty(_room(symbols, counts), np.uint32)
        at = syntax.write(
            out,
            0,
            contexts,
            seen.key,
            seen.modes,
            seen.field,
            before.field,
            seen.intra_modes,
            counts,
            before.counts,
            splits,
            cx.pace(quality, before.quality),
        )
        if flags is not None:
            at = syntax.write_areas(out, at, contexts, flags)
        at = _put_groups(out, at, counts, symbols, found, self._model.cumulative)
        return rans.encode(out, at)


def highest_that_fits(
    attempt_at: Callable[[int], Attempt], budget_bytes: int, start: int, finest: int = 63
) -> Attempt | None:
    """The finest quality up to `finest` whose packet is within the budget, or None if none is.

    Sizes rise with quality (each step is 9% finer), so the answer is where "fits" turns into "does
    not". The search gallops away from `start`, the reference's quality, then bisects: one attempt
    when `finest` fits, two when little has changed, eight at most.
    """
    fits = -1  # highest known to fit
    fails = finest + 1  # lowest known not to, or out of bounds
    quality = min(start, finest)
    stride = 1
    while fails - fits > 1:
        if len(attempt_at(quality).packet) <= budget_bytes:
            fits = quality
            quality = quality + stride if fails == finest + 1 else (fits + fails) // 2
        else:
            fails = quality
            quality = quality - stride if fits == -1 else (fits + fails) // 2
        stride *= 2
        quality = min(max(quality, fits + 1), fails - 1)
    return attempt_at(fits) if fits >= 0 else None


def _guess(quality: int, blocks: int) -> U8:
    """Tables (blocks, 384) by nothing but quality and channel."""
    channel = np.arange(layout.CHANNELS)
    index = 44 + (quality - 40) * 0.45 - 5.5 * np.log1p(channel)
    return np.tile(np.clip(index, 0, 63).astype(np.uint8), (blocks, 1))


@nb.njit(nogil=True, cache=True)
def _quantise_plainly(
    coefficients: F32, steps_q3: I32, rounding: float, symbols: I16, counts: U8
) -> None:
    """Quantise all blocks with a fixed rounding offset."""
    inverse_steps = (np.float32(8) / steps_q3).astype(np.float32)
    rows, columns = counts.shape
    for index in range(rows * columns):
        counts[index // columns, index % columns] = quantise.plain(
            coefficients[index], inverse_steps, rounding, symbols[index]
        )


@nb.njit(nogil=True, cache=True)
def _put_groups(out: U32, at: int, counts: U8, symbols: I16, found: U8, cumulative: U16) -> int:
    """Append all symbols in the order that `prior.walk` visits them."""
    rows, columns = counts.shape
    for group in range(4):
        first, last = _STARTS[group], _STARTS[group + 1]
        for phase in range(2):
            for row in range(rows):
                for column in range(columns):
                    if counts[row, column] > group and (row + column) & 1 == phase:
                        index = row * columns + column
                        at = tables.put_symbols(
                            out,
                            at,
                            symbols[index, first:last],
                            found[index, first:last],
                            cumulative,
                        )
    return at


def _room(symbols: I16, counts: U8) -> int:
    """Intervals that a frame can take at most."""
    return counts.size * (syntax.BITS_PER_BLOCK + 2) + _symbol_room(symbols, counts)


@nb.njit(nogil=True, cache=True)
def _symbol_room(symbols: I16, counts: U8) -> int:
    """Intervals of all coded symbols: one each, a sign, and the escape's raw bits."""
    rows, columns = counts.shape
    room = 64
    for index in range(rows * columns):
        last = _STARTS[counts[index // columns, index % columns]]
        room += last
        for c in range(last):
            if symbols[index, c]:
                room += 1
                if abs(np.int64(symbols[index, c])) >= 15:
                    room += 30
    return room
