# SPDX-License-Identifier: Apache-2.0
"""One frame at any quality, or within a budget: which qualities are tried, and which is taken."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from math import floor, inf, log, sqrt
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from streamcodec import _core, analysis, bitstream
from streamcodec.analysis import Analysis
from streamcodec.correction import Network, Networks
from streamcodec.effort import TRYING, Effort
from streamcodec.frame import Frame, Reference
from streamcodec.model import Model
from streamcodec.passes import Attempt, Coding, FirstPass, FloatPlanes
from streamcodec.state import ReferenceState, reference_after, state_of
from streamcodec.workspace import Workspace

if TYPE_CHECKING:
    from streamcodec.networks.conv.encoder import EncoderNetwork

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]

# A bit worth so many times the usual makes a packet about as large as the next quality does.
_ONE_STEP = 0.65
_TURN, _LEAST_TURN, _MOST_TURN = 2.75, 1.15, 2.4  # of 900 to 7,000 bytes a frame on training clips
_FILLED = 0.98  # of a budget: what is aimed at, so that the attempt seldom goes beyond
_LEAST_ROOM = 1.02  # of the budget left to be worth one more attempt
MOST_ATTEMPTS = 12  # of `highest_that_fits`
_INDEX_SIZE = 1.08  # times that a packet grows with each quality index, at least
_FIRST_STRIDE = 4  # of that search; it doubles
_NEARLY = 0.85  # of a budget: used enough where an attempt's time counts more
_FEW_ATTEMPTS = 4  # there, unless none fits yet


class FrameEncoder:
    """Codes one frame against one reference at any quality; the analysis is shared.

    Calls with the same quality and weighing return the same attempt.
    """

    def __init__(
        self,
        model: Model,
        frame: Frame,
        reference: Reference | None,
        *,
        effort: Effort = Effort.NORMAL,
        workspace: Workspace | None = None,
        networks: Networks | None = None,
        pool: _core.Pool | None = None,
        keep_unfiltered: bool = False,
    ) -> None:
        self._model = model
        self._keep_unfiltered = keep_unfiltered
        self._networks = networks
        self._trying = TRYING[effort]
        self._workspace = workspace or Workspace()
        self._pool = pool
        self._frame = frame
        self._reference = reference
        self._source = analysis.padded(frame.planes)
        self._reference_state = None if reference is None else state_of(reference)
        self._seen: dict[int, Analysis] = {}
        self._moved: tuple[U8, U8] | None = None
        self._first: dict[int, FirstPass] = {}
        self._added: dict[int, FloatPlanes | None] = {}
        self._plain: dict[tuple[int, float], Attempt] = {}  # before any network
        self._done: dict[tuple[int, float], Attempt] = {}

    def at(self, quality: int, weighing: float = 1.0) -> Attempt:
        """The frame coded at this quality; a bit is worth `weighing` times the usual."""
        if (quality, weighing) not in self._done:
            self._done[quality, weighing] = self._corrected(self._plain_at(quality, weighing))
        return self._done[quality, weighing]

    def within(self, budget_bytes: int, start: int, finest: int = 63) -> Attempt | None:
        """The finest attempt within a budget, or None when not even quality 0 fits.

        It has the highest quality index up to `finest` that fits, and where bytes are left a bit is
        worth less in it than usual: that costs one more attempt, of the second pass alone. Efforts
        that do not fill a budget leave both as soon as about one index is missing. With a
        network, a quality fits when its packet and `Attempt.room_bytes` do; the network runs once,
        for the attempt that is taken. Where only that room is missing at quality 0, or levels are
        larger than it after all, the picture is left as it is.
        """
        filled = self._trying.budget_filled
        best = highest_that_fits(
            self._plain_at,
            budget_bytes,
            start,
            finest,
            enough=inf if filled else _NEARLY,
            attempts=MOST_ATTEMPTS if filled else _FEW_ATTEMPTS,
        )
        if best is None:
            coarsest = self._plain_at(0)
            return coarsest if len(coarsest.packet) <= budget_bytes else None
        return self._corrected(self._fuller(best, budget_bytes) if filled else best, budget_bytes)

    def _fuller(self, best: Attempt, budget_bytes: int) -> Attempt:
        """The same quality with more of the budget used, where that needs no guess."""
        above = self._plain.get((best.quality + 1, 1.0))
        size = best.size_bytes
        room = _FILLED * budget_bytes / size
        if above is None or room < _LEAST_ROOM or above.size_bytes <= size:
            return best
        # The fewer bytes a block has, the more a bit's worth turns: blocks are skipped or not.
        turn = min(max(_TURN * sqrt(best.blocks.counts.size / size), _LEAST_TURN), _MOST_TURN)
        share = log(room) / log(above.size_bytes / size) / turn
        fuller = self._plain_at(best.quality, _ONE_STEP**share)
        return fuller if size < fuller.size_bytes <= budget_bytes else best

    def reference_after(self, attempt: Attempt) -> Reference:
        """The reference that an attempt's packet leads to."""
        return reference_after(
            attempt.packet,
            b"" if self._reference is None else self._reference.digest,
            width=self._frame.width,
            height=self._frame.height,
            quality=attempt.quality,
            planes=attempt.planes,
            blocks=attempt.blocks,
            symbols=attempt.symbols,
            moved=attempt.moved,
            contexts=self._model.contexts[1] if self._reference is None else attempt.contexts,
            tables=None if self._trying.prices_asked else attempt.tables,
        )

    def seen_by_prior(self, attempt: Attempt) -> list[tuple[int, int, I32, U8]]:
        """What the prior saw when it coded an attempt: (group, phase, blocks, rows of features)."""
        return self._coding(attempt.quality).feature_rows(attempt.blocks, attempt.symbols)

    def _state_at(self, seen: Analysis, quality: int) -> ReferenceState:
        rows, columns = seen.blocks.rows, seen.blocks.columns
        return self._reference_state or ReferenceState.none(self._model, rows, columns, quality)

    def _look(self, quality: int) -> Analysis:
        bucket = quality // analysis.KEY_BUCKET if self._reference_state is None else 0
        if bucket not in self._seen:
            self._seen[bucket] = (
                analysis.analyse_key(self._source, quality, self._workspace, self._pool)
                if self._reference_state is None
                else analysis.analyse_inter(
                    self._source, self._reference_state, self._trying, self._workspace, self._pool
                )
            )
        return self._seen[bucket]

    def _plain_at(self, quality: int, weighing: float = 1.0) -> Attempt:
        """The frame coded at this quality, no decoder network asked yet."""
        if (quality, weighing) not in self._plain:
            coding = self._coding(quality)
            if quality not in self._first:
                self._first[quality] = coding.first_pass(self._trying)
            self._plain[quality, weighing] = coding.attempt(
                self._first[quality], weighing, self._header(quality), self._network
            )
        return self._plain[quality, weighing]

    def _corrected(self, attempt: Attempt, most_bytes: int | None = None) -> Attempt:
        """What the network makes of an attempt, where that is no larger than `most_bytes`."""
        if self._network is None:
            return attempt
        found = self._coding(attempt.quality).corrected(attempt, self._network)
        return attempt if most_bytes is not None and len(found.packet) > most_bytes else found

    @property
    def _network(self) -> Network | None:
        return None if self._networks is None else self._networks.of(self._reference is None)

    def _coding(self, quality: int) -> Coding:
        seen = self._look(quality)
        state = self._state_at(seen, quality)
        return Coding(
            self._model,
            seen,
            state,
            quality,
            moved=self._moved_of(seen, state),
            added=self._added_at(seen, quality),
            workspace=self._workspace,
            pool=self._pool,
            rounds=self._trying.more_rounds,
            keep_unfiltered=self._keep_unfiltered,
        )

    def _moved_of(self, seen: Analysis, state: ReferenceState) -> tuple[U8, U8]:
        """`ReferenceState.moved`, once for a frame: vectors are the same at every quality."""
        if self._moved is None:
            self._moved = state.moved(seen.blocks)
        return self._moved

    def _added_at(self, seen: Analysis, quality: int) -> FloatPlanes | None:
        """What the model's encoder network adds to the source, None without one."""
        if quality not in self._added:
            network = None
            if self._networks is not None and self._trying.network_asked:
                network = self._networks.encoder_of(seen.key)
            self._added[quality] = None if network is None else _ask(network, seen, quality)
        return self._added[quality]

    def _header(self, quality: int) -> bitstream.PacketHeader:
        return bitstream.PacketHeader(
            keyframe=self._reference is None,
            quality=quality,
            stages=0,
            reference=self._model.digest if self._reference is None else self._reference.digest,
            width=self._frame.width,
            height=self._frame.height,
        )


def _ask(network: EncoderNetwork, seen: Analysis, quality: int) -> FloatPlanes:
    from streamcodec.networks.conv.encoder import added_to  # noqa: PLC0415  (torch)

    predicted = None if seen.key else seen.prediction
    return added_to(seen.source, predicted, quality, network=network)


def highest_that_fits(
    attempt_at: Callable[[int], Attempt],
    budget_bytes: int,
    start: int,
    finest: int = 63,
    *,
    enough: float = inf,
    attempts: int = MOST_ATTEMPTS,
) -> Attempt | None:
    """The finest quality up to `finest` that is within the budget, or None if none is.

    Sizes rise with quality, so the answer is where "fits" turns into "does not". The search begins
    at `start`, the reference's quality, strides to the other side of the budget, and goes on where
    a line between the logarithms of both sizes meets it (regula falsi), halving after two misses on
    one side. One attempt when `start` is `finest` and fits, two when little has changed,
    `MOST_ATTEMPTS` at most. The first that fits and uses `enough` of the budget is taken, and the
    best that fits after so many `attempts`.
    """
    fits, fails = -1, finest + 1  # highest known to fit; lowest known not to, or out of bounds
    fitting = failing = 0  # bytes there
    quality = min(start, finest)
    stride = _FIRST_STRIDE
    fitted, repeats = False, 0  # which side the last attempt was on, and how often in a row before
    for attempt in count(1):
        if fails - fits <= 1 or (fits >= 0 and attempt > attempts):
            break
        size = attempt_at(quality).size_bytes
        repeats = repeats + 1 if fitted == (size <= budget_bytes) else 0
        fitted = size <= budget_bytes
        if fitted:
            fits, fitting = quality, size
            if fitting >= enough * budget_bytes:
                break
        else:
            fails, failing = quality, size
        if fits < 0 or fails > finest:
            indices = abs(floor(log(max(budget_bytes, 1) / size) / log(_INDEX_SIZE)))
            indices = min(max(indices, stride // 8, 1), stride)
            quality += indices if fitted else -indices
            stride *= 2
        elif repeats > 1 or failing <= fitting:
            quality = (fits + fails) // 2
        else:
            share = log(budget_bytes / fitting) / log(failing / fitting)
            quality = fits + floor(share * (fails - fits))
        quality = min(max(quality, fits + 1), fails - 1)
    return attempt_at(fits) if fits >= 0 else None
