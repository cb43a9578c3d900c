# SPDX-License-Identifier: Apache-2.0
"""One frame at any quality, or within a budget: which qualities are tried, and which is taken."""

from __future__ import annotations

from collections.abc import Callable
from math import floor, inf, log, sqrt
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from streamcodec import _core, analysis, bitstream
from streamcodec.analysis import Analysis
from streamcodec.correction import Network, Networks
from streamcodec.effort import PARAMS, Effort
from streamcodec.frame import Frame, Reference
from streamcodec.model import Model
from streamcodec.passes import Attempt, Coding, FirstPass, FloatPlanes
from streamcodec.state import ReferenceState, reference_after, state_of
from streamcodec.workspace import Workspace

if TYPE_CHECKING:
    from streamcodec.networks.conv.encoder import EncoderNetwork

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]

# Lambda times this, at one quality, makes a packet about as large as the next quality's.
_LAMBDA_OF_ONE_INDEX = 0.65
# How strongly size reacts to lambda; fitted to frames of 900 to 7,000 bytes of training clips.
_SENSITIVITY, _LEAST_SENSITIVITY, _MOST_SENSITIVITY = 2.75, 1.15, 2.4
_FILLED = 0.98  # share of a budget that is aimed at, so that the attempt is seldom over it
_LEAST_ROOM = 1.02  # budget over size from which one more attempt is made
MOST_ATTEMPTS = 12  # of `highest_that_fits`
_INDEX_SIZE = 1.08  # least growth of a packet with each quality index
_FIRST_STRIDE = 4  # of `highest_that_fits`; it doubles
_NEARLY = 0.85  # share of a budget that is enough where the time of an attempt matters more
_FEW_ATTEMPTS = 4  # most of them there, unless none fits yet


class FrameEncoder:
    """Codes one frame against one reference at any quality; the analysis is shared.

    Calls with the same quality and lambda return the same attempt.
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
        self._params = PARAMS[effort]
        self._workspace = workspace or Workspace()
        self._pool = pool
        self._frame = frame
        self._reference = reference
        self._source = analysis.padded(frame.planes)
        self._reference_state = None if reference is None else state_of(reference)
        self._analyses: dict[int, Analysis] = {}
        self._moved: tuple[U8, U8] | None = None
        self._first_passes: dict[int, FirstPass] = {}
        self._added: dict[int, FloatPlanes | None] = {}
        self._uncorrected: dict[tuple[int, float], Attempt] = {}  # before any network
        self._attempts: dict[tuple[int, float], Attempt] = {}

    def at(self, quality: int, lambda_scale: float = 1.0) -> Attempt:
        """The frame coded at this quality, with `lambda_scale` times the usual lambda."""
        if (quality, lambda_scale) not in self._attempts:
            self._attempts[quality, lambda_scale] = self._corrected(
                self._uncorrected_at(quality, lambda_scale)
            )
        return self._attempts[quality, lambda_scale]

    def within(self, budget_bytes: int, start: int, finest: int = 63) -> Attempt | None:
        """The finest attempt within a budget, or None when not even quality 0 fits.

        It has the highest quality index up to `finest` that fits. Where bytes are left, one more
        attempt (of the second pass alone) uses a smaller lambda. Efforts that do not fill a budget
        stop at the first attempt that lacks about one index or less, or after a few attempts. With
        a decoder network, a quality fits when its packet and `Attempt.room_bytes` do; the network
        runs once, for the attempt chosen. Where only that room is missing at quality 0, or the
        levels turn out larger than it, the picture stays uncorrected.
        """
        filled = self._params.budget_filled
        best = highest_that_fits(
            self._uncorrected_at,
            budget_bytes,
            start,
            finest,
            enough=inf if filled else _NEARLY,
            attempts=MOST_ATTEMPTS if filled else _FEW_ATTEMPTS,
        )
        if best is None:
            coarsest = self._uncorrected_at(0)
            return coarsest if len(coarsest.packet) <= budget_bytes else None
        return self._corrected(self._filled(best, budget_bytes) if filled else best, budget_bytes)

    def _filled(self, best: Attempt, budget_bytes: int) -> Attempt:
        """The same quality with more of the budget used, where the next quality's size is known."""
        above = self._uncorrected.get((best.quality + 1, 1.0))
        size = best.size_bytes
        room = _FILLED * budget_bytes / size
        if above is None or room < _LEAST_ROOM or above.size_bytes <= size:
            return best
        # With few bytes a block, lambda decides whether whole blocks are skipped.
        sensitivity = min(
            max(_SENSITIVITY * sqrt(best.blocks.counts.size / size), _LEAST_SENSITIVITY),
            _MOST_SENSITIVITY,
        )
        share = log(room) / log(above.size_bytes / size) / sensitivity
        filled = self._uncorrected_at(best.quality, _LAMBDA_OF_ONE_INDEX**share)
        return filled if size < filled.size_bytes <= budget_bytes else best

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
            tables=None if self._params.prior_pass else attempt.tables,
        )

    def feature_rows(self, attempt: Attempt) -> list[tuple[int, int, I32, U8]]:
        """The prior's inputs when it coded an attempt: (group, phase, blocks, rows of features)."""
        return self._coding(attempt.quality).feature_rows(attempt.blocks, attempt.symbols)

    def first_pass_at(self, quality: int) -> FirstPass:
        """The first pass of a quality that was coded; all attempts at it share this one."""
        return self._first_passes[quality]

    def _state_at(self, analysed: Analysis, quality: int) -> ReferenceState:
        rows, columns = analysed.blocks.rows, analysed.blocks.columns
        return self._reference_state or ReferenceState.none(self._model, rows, columns, quality)

    def analysis_at(self, quality: int) -> Analysis:
        """The frame's analysis; of a keyframe that of the quality's bucket."""
        bucket = quality // analysis.KEY_BUCKET if self._reference_state is None else 0
        if bucket not in self._analyses:
            self._analyses[bucket] = self._analysed(quality)
        return self._analyses[bucket]

    def _analysed(self, quality: int) -> Analysis:
        state, workspace = self._reference_state, self._workspace
        if state is None:
            return analysis.analyse_key(self._source, quality, workspace, self._pool)
        return analysis.analyse_inter(self._source, state, self._params, workspace, self._pool)

    def _uncorrected_at(self, quality: int, lambda_scale: float = 1.0) -> Attempt:
        """The frame coded at this quality, without the decoder network."""
        if (quality, lambda_scale) not in self._uncorrected:
            coding = self._coding(quality)
            if quality not in self._first_passes:
                self._first_passes[quality] = coding.first_pass(self._params)
            self._uncorrected[quality, lambda_scale] = coding.attempt(
                self._first_passes[quality], lambda_scale, self._header(quality), self._network
            )
        return self._uncorrected[quality, lambda_scale]

    def _corrected(self, attempt: Attempt, most_bytes: int | None = None) -> Attempt:
        """The attempt corrected by the decoder network, unless larger than `most_bytes`."""
        if self._network is None:
            return attempt
        found = self._coding(attempt.quality).corrected(attempt, self._network)
        return attempt if most_bytes is not None and len(found.packet) > most_bytes else found

    @property
    def _network(self) -> Network | None:
        return None if self._networks is None else self._networks.of(self._reference is None)

    def _coding(self, quality: int) -> Coding:
        analysed = self.analysis_at(quality)
        state = self._state_at(analysed, quality)
        return Coding(
            self._model,
            analysed,
            state,
            quality,
            moved=self._moved_of(analysed, state),
            added=self._added_at(analysed, quality),
            workspace=self._workspace,
            pool=self._pool,
            rounds=self._params.extra_rounds,
            keep_unfiltered=self._keep_unfiltered,
        )

    def _moved_of(self, analysed: Analysis, state: ReferenceState) -> tuple[U8, U8]:
        """`ReferenceState.moved`, once for a frame: vectors are the same at every quality."""
        if self._moved is None:
            self._moved = state.moved(analysed.blocks)
        return self._moved

    def _added_at(self, analysed: Analysis, quality: int) -> FloatPlanes | None:
        """What the model's encoder network adds to the source, None without one."""
        if quality not in self._added:
            network = None
            if self._networks is not None and self._params.encoder_network:
                network = self._networks.encoder_of(analysed.key)
            self._added[quality] = (
                None if network is None else _added_by(network, analysed, quality)
            )
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


def _added_by(network: EncoderNetwork, analysed: Analysis, quality: int) -> FloatPlanes:
    from streamcodec.networks.conv.encoder import added_to  # noqa: PLC0415  (torch)

    predicted = None if analysed.key else analysed.prediction
    return added_to(analysed.source, predicted, quality, network=network)


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

    Sizes rise with quality. The search begins at `start`, the reference's quality, strides to the
    other side of the budget, and continues where a line between the logarithms of both sizes meets
    it (regula falsi), or halves after two misses on one side. One attempt when `start` is `finest`
    and fits, two when little has changed, `MOST_ATTEMPTS` at most. It ends with the first that fits
    and uses `enough` of the budget, and after `attempts` with the best that fits.
    """
    fits, fails = -1, finest + 1  # highest known to fit; lowest known not to, or out of bounds
    fitting = failing = 0  # bytes there
    quality = min(start, finest)
    stride = _FIRST_STRIDE
    fitted, repeats = False, 0  # side of the last attempt, and how often in a row before
    tried = 0
    while fails - fits > 1 and (fits < 0 or tried < attempts):
        size = attempt_at(quality).size_bytes
        tried += 1
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
        elif repeats > 1:
            quality = (fits + fails) // 2
        else:
            share = log(budget_bytes / fitting) / log(failing / fitting)
            quality = fits + floor(share * (fails - fits))
        quality = min(max(quality, fits + 1), fails - 1)
    return attempt_at(fits) if fits >= 0 else None
