# SPDX-License-Identifier: Apache-2.0
"""The native core (streamcodec/core/, C++), built with the package.

Arrays are C-contiguous NumPy arrays; planes may be cut from larger ones as long as samples of a row
lie side by side. Shapes that do not fit raise ValueError before anything is read. Functions that
work on frames let go of the interpreter's lock. Results never depend on the level of instructions
or on a pool's threads.
"""

from typing import overload

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Planes = tuple[U8, U8, U8]
FloatPlanes = tuple[F32, F32, F32]
Added = tuple[I16, I16, I16]

# --- shared

class Blocks:
    """What a packet says of each 16x16 block; the arrays are views of its memory.

    modes, counts, splits (rows, columns) uint8; field (2 rows, 2 columns, 2) int16, (dy, dx) in
    quarter samples; intra_modes (2 rows, 2 columns) int8, -1 in inter blocks.
    """

    def __init__(self, rows: int, columns: int) -> None: ...
    @property
    def rows(self) -> int: ...
    @property
    def columns(self) -> int: ...
    @property
    def modes(self) -> U8: ...
    @property
    def field(self) -> I16: ...
    @property
    def intra_modes(self) -> I8: ...
    @property
    def counts(self) -> U8: ...
    @property
    def splits(self) -> U8: ...
    def copy(self) -> Blocks: ...

class Pool:
    """Threads that do a picture's independent jobs; the caller is one of them."""

    def __init__(self, threads: int) -> None: ...
    def close(self) -> None: ...
    def watch(self) -> None:
        """Time jobs from now on, in a pool of one thread."""
    def watched(self) -> list[list[float]]:
        """Processor seconds of each job, by the calls that handed them over."""
    @property
    def threads(self) -> int: ...

def level() -> str:
    """The level of instructions in use: plain, v3, v4, vnni or amx."""

def levels() -> list[str]:
    """The levels that this build and this processor have, the plainest first."""

def choose_level(name: str) -> None:
    """Use another level from here on (for tests). Raises ValueError."""

def band_count(rows: int) -> int:
    """Into how many bands a picture of so many block rows is cut."""

def band_of(rows: int, index: int) -> tuple[int, int]:
    """First block row of a band, and the row after its last."""

# --- entropy: one payload, written or read

class Damaged(ValueError):
    """A payload is not what any encoder wrote; says which part of it."""

CONTEXTS: int

class Writer:
    """One payload in the making. Contexts are (CONTEXTS, 2) uint16 and adapt."""

    def __init__(self) -> None: ...
    def clear(self) -> None: ...
    def append(self, other: Writer) -> None:
        """All that the other one holds."""
    @property
    def intervals(self) -> int: ...
    def blocks(
        self,
        contexts: U16,
        key: bool,
        blocks: Blocks,
        reference_field: I16,
        reference_counts: U8,
        trend: int,
    ) -> None:
        """Append all blocks; leaves in `blocks` what a reader will find."""
    def areas(self, contexts: U16, flags: U8) -> None:
        """Append which areas the loop filter touches: (2, down, across), 0 or 1."""
    def mixed(self, contexts: U16, rows: tuple[int, int, int], weights: int, bit: int) -> None: ...
    def single(self, contexts: U16, index: int, bit: int) -> None: ...
    def raw(self, bit: int) -> None: ...
    def interval(self, start: int, frequency: int) -> None: ...
    @overload
    def encode(self) -> bytes: ...
    @overload
    def encode(self, counts: U8, symbols: I16, tables: U8, cumulative: U16) -> bytes:
        """With the coded groups of (blocks, 384) symbols at the end, each by its table."""

class Reader:
    """One payload being read; keeps a copy. Methods raise Damaged."""

    def __init__(self, payload: bytes) -> None: ...
    def blocks(
        self,
        contexts: U16,
        key: bool,
        blocks: Blocks,
        reference_field: I16,
        reference_counts: U8,
        trend: int,
    ) -> None:
        """Fill all of `blocks`."""
    def areas(self, contexts: U16, flags: U8) -> None: ...
    def symbols(self, tables: U8, cumulative: U16, out: I16) -> None:
        """Fill `out` (n,), each symbol by its table."""
    def mixed(self, contexts: U16, rows: tuple[int, int, int], weights: int) -> int: ...
    def single(self, contexts: U16, index: int) -> int: ...
    def raw(self) -> int: ...
    def interval(self, start: int, frequency: int) -> bool:
        """Consume the interval if it comes next."""
    def overrun(self) -> bool: ...
    def finished(self) -> bool:
        """True when every byte was read, none too many, and the state is back at its start."""

def entropy_tables() -> tuple[I16, I16, I16]:
    """Costs in 1/256 bit, logits, and frequencies of logits, as in core/entropy/tables.cpp."""

def context_bases() -> I32:
    """(families, 4): first row of the contexts of each family, and of its weights."""

def vector_prices(contexts: U16) -> I32: ...
def skip_prices(
    contexts: U16,
    skips: U8,
    reference_field: I16,
    reference_counts: U8,
    trend: int,
    row: int,
    column: int,
) -> tuple[int, int]:
    """Of a skip and of none."""

def united_prices(
    contexts: U16,
    sides: U8,
    reference_field: I16,
    reference_counts: U8,
    trend: int,
    row: int,
    column: int,
    blocks: int,
) -> tuple[int, int]:
    """Of a square with one vector and of none."""

def count_prices(
    contexts: U16,
    counts: U8,
    reference_field: I16,
    reference_counts: U8,
    trend: int,
    row: int,
    column: int,
    kind: int,
) -> tuple[int, int, int, int, int]: ...
def which_prices(
    contexts: U16,
    candidate_index: U8,
    field: I16,
    before: I16,
    row: int,
    column: int,
    blocks: int,
    skip: int,
) -> tuple[int, int, int]: ...
def candidates(
    field: I16, before: I16, row: int, column: int, blocks: int
) -> list[tuple[int, int, int]]:
    """(dy, dx, source) of the vectors that a square may take over."""

def unite(modes: U8, field: I16, sides: U8) -> None: ...

# --- motion: the first look at a frame

class SearchEffort:
    """How hard the search tries; made as effort `normal`."""

    wide_step: int
    near_step: int
    most_moves: int
    diagonals: bool
    others: bool
    refine: bool
    rough_quarters: bool
    quarters_step: int
    quarters_from: int
    alike_from: int
    intra_from: int
    squares: bool
    def __init__(self) -> None: ...

def search_effort(name: str) -> SearchEffort:
    """The effort fast, normal or best. ValueError for another name."""

class MotionParams:
    """Prices of the search's decisions.

    `lambda_q8` is the price of a bit in absolute difference, `still` the difference below which a
    candidate is taken without a search; in 1/16 bit `bit_weights` of Hadamard coefficients and
    `per_square` of a squared difference.
    """

    lambda_q8: int
    still: int
    per_square: float
    effort: SearchEffort
    def __init__(
        self,
        *,
        lambda_q8: int,
        still: int,
        bit_weights: tuple[float, float],
        per_square: float,
        effort: SearchEffort = ...,
    ) -> None: ...

class MotionWorkspace:
    """Memory of the search, kept from frame to frame."""

    @property
    def tiles(self) -> tuple[int, int]:
        """How many tiles of the reference were shifted for the last frame, and of how many."""
    def __init__(self) -> None: ...

def analyse_key(
    source: U8,
    bit_weights: tuple[float, float],
    inverse_step: float,
    blocks: Blocks,
    pool: Pool | None = None,
) -> None:
    """Choose a keyframe's intra modes and splits; `inverse_step` is of luma."""

def analyse_inter(
    workspace: MotionWorkspace,
    source: U8,
    reference: U8,
    blocks: Blocks,
    params: MotionParams,
    contexts: U16,
    reference_field: I16,
    reference_counts: U8,
    trend: int,
    pool: Pool | None = None,
) -> None:
    """Choose an inter frame's modes, vectors and intra modes. `source` and `reference` are luma."""

# For tests: one block's own samples (16, 16) against others.
def block_sad(own: U8, other: U8, size: int) -> int: ...
def block_sads(
    own: U8, other: U8, size: int, columns: tuple[int, int, int, int]
) -> tuple[int, int, int, int]: ...
def block_squared(own: U8, other: U8) -> int: ...
def hadamard_bits(own: U8, other: U8, size: int, bit_weights: tuple[float, float]) -> int: ...
def shifts(luma: U8, out: U8) -> None:
    """Fill out (16, height + 64, width + 64) with all quarter-sample shifts, 32 samples around."""

# --- blocks: transforms, quantisation, both loops over blocks

class BlocksWorkspace:
    """Scratch memory that frames share, one after the other."""

    def __init__(self) -> None: ...

class CodeParams:
    """How `code` weighs bits: `mu` in squared steps a bit, `trend` of `contexts.quality_trend`."""

    def __init__(self, mu: float, trend: int) -> None: ...
    @property
    def mu(self) -> float: ...
    @property
    def trend(self) -> int: ...

def transform_inter(
    workspace: BlocksWorkspace,
    source: Planes,
    prediction: Planes,
    blocks: Blocks,
    reference_field: I16,
    inverse_step: float,
    coefficients: F32,
    free: U8,
    pool: Pool | None = None,
    apart_from: float = 20,
    finer_from: float = 12,
) -> None:
    """Fill the splits of inter blocks, `coefficients` (blocks, 384) and `free` (rows, columns).

    Finer transforms are tried from so many bits on: of a block, of one of its quarters.

    Rows of intra blocks are zeros. `free` says that a block takes over a vector (1), or is part of
    a square with one vector (2).
    """

def open_loop(source: Planes, blocks: Blocks, coefficients: F32, pool: Pool | None = None) -> None:
    """Fill the rows of intra blocks, as predicted from the source; others are left alone."""

def shift_coefficients(
    added: FloatPlanes, blocks: Blocks, coefficients: F32, pool: Pool | None = None
) -> None:
    """Add the transform of planes of grey levels, each block as its split says."""

def quantise_plainly(
    coefficients: F32, steps_q3: I32, rounding: float, symbols: I16, counts: U8
) -> None:
    """Quantise (blocks, 384) with a fixed rounding offset; `counts` gets the groups needed."""

def keep_intra(blocks: Blocks, fewest: int) -> None:
    """Intra blocks may code at least so many groups."""

def forget_splits(blocks: Blocks) -> None:
    """Blocks that code nothing have no split, but where intra prediction goes by it."""

def set_hurdle(blocks: Blocks, free: U8, bits: int, share: float, noise: int, hurdle: U8) -> None:
    """Bits (rows, columns) that coding a block must gain: where still blocks are nearly free.

    Where more than `share` of all blocks stand, in all that move by `noise` at most.
    """

def count_groups(coefficients: F32, steps_q3: I32, rounding: float, counts: U8) -> None:
    """The counts of `quantise_plainly` alone."""

def code(
    workspace: BlocksWorkspace,
    params: CodeParams,
    source: Planes,
    blocks: Blocks,
    coefficients: F32,
    tables: U8,
    costs_q8: I32,
    steps_q3: I32,
    contexts: U16,
    reference_counts: U8,
    free: U8,
    hurdle: U8,
    symbols: I16,
    planes: Planes,
    added: FloatPlanes | None = None,
) -> None:
    """Choose symbols (blocks, 384) by rate and distortion, and rebuild the picture along the way.

    On entry the blocks' counts are an upper bound, on return the final ones; `planes` hold the
    inter prediction, and then the picture. `added` is to be thought added to the source; inter
    blocks' coefficients hold it already.
    """

def rebuild(
    blocks: Blocks, symbols: I16, steps_q3: I32, planes: Planes, pool: Pool | None = None
) -> None:
    """Turn the inter prediction in `planes` into the picture.

    Raises IndexError for blocks that no packet describes.
    """

# Single steps, for tests.
def block_forward(samples: F32, split: int, out: F32) -> None: ...
def block_forward_cheapest(samples: F32, inverse_step: float, out: F32) -> int: ...
def level_bits(levels: F32, inverse_step: float) -> float: ...
def block_add_residual(symbols: I16, steps_q3: I32, split: int, planes: Planes) -> None: ...
def intra_square(
    plane: U8, y: int, x: int, size: int, right: int, below: int, mode: int, out: U8
) -> None: ...
def block_layout(order: I32, bands: I32) -> None: ...
def block_basis(floats: F32, integers: I32) -> None: ...

# --- pictures: prediction, deblocking, loop filter

PAD_PX: int
REACH_PX: int

class FilterWorkspace:
    """Memory that the loop filter keeps from frame to frame."""

    def __init__(self) -> None: ...

def luma_block(reference: U8, y: int, x: int, by: tuple[int, int], size: int) -> U8:
    """One block (16 or 8 a side), moved by quarter samples; edges of the reference repeat."""

def chroma_block(u: U8, v: U8, y: int, x: int, by: tuple[int, int], size: int) -> U8:
    """The same of both chroma planes, (2, size, size), size 8 or 4, in eighths of a sample."""

def predict(reference: Planes, blocks: Blocks, planes: Planes, pool: Pool | None = None) -> None:
    """Fill planes with the moved reference (not padded), mixed where vectors differ.

    Intra blocks come out zero. Sides are multiples of 16 (chroma 8).
    """

def deblock(
    blocks: Blocks, step_q3: int, chroma_step_q3: int, planes: Planes, pool: Pool | None = None
) -> None:
    """Smooth block edges of a decoded picture in place."""

def filter_rebuild(
    planes: Planes,
    flags: U8,
    blocks: Blocks,
    steps_q3: tuple[int, int],
    weights: I16,
    pool: Pool | None = None,
    workspace: FilterWorkspace | None = None,
) -> None:
    """Filter the flagged areas (2, down, across) in place; `weights` is (2, 15, 6)."""

def filter_search(
    source: Planes,
    planes: Planes,
    blocks: Blocks,
    steps_q3: tuple[int, int],
    weights: I16,
    least_gain: tuple[int, int],
    pool: Pool | None = None,
    workspace: FilterWorkspace | None = None,
) -> U8:
    """Filter areas in place where that saves more squared error than `least_gain`; their flags."""

def filter_accumulate(
    plane: U8, source: U8, counts: U8, modes: U8, step_q3: int, squares: F64, products: F64
) -> None:
    """Add a plane's normal equations: squares (15, 6, 6), products (15, 6) float64."""

# --- prior: which table codes which symbol

class Prior:
    """The stacks of a model, packed as the processor multiplies them."""

    def __init__(self) -> None: ...
    def add(
        self,
        key: bool,
        group: int,
        phase: int,
        w1: I8,
        w2: I8,
        w3: I8,
        b1: I32,
        b2: I32,
        b3: I32,
    ) -> None:
        """Set a stack: weights (inputs, outputs); biases (64, hidden), hidden, (64, channels)."""
    def tables(self, key: bool, group: int, phase: int, rows: U8, quality: int) -> U8:
        """Table indices (n, channels) for rows of features (n, features)."""

class PriorWorkspace:
    """What is known of a frame while its symbols are coded; memory is kept."""

    def __init__(self) -> None: ...

def move_memory(blocks: Blocks, memory: U8, counts: U8, moved: U8, moved_counts: U8) -> None:
    """Fetch memory (blocks, 384) and counts from where each block came from."""

def guess_tables(
    blocks: Blocks, counts: U8, before: U8, shift: int, otherwise: U8, out: U8
) -> None:
    """Write the tables that coded each block where it came from, `shift` higher, within 0 to 63;
    `otherwise` (384) where they are 0. Blocks with a count of 0 are left out."""

def remember_symbols(counts: U8, symbols: I16, moved: U8, out: U8) -> None:
    """The memory after a frame: its magnitudes, or half of what was moved."""

def describe(
    workspace: PriorWorkspace,
    blocks: Blocks,
    moved_counts: U8,
    quality: int,
    reference_quality: int,
    key: bool,
) -> None:
    """Tell the prior what the packet says of blocks."""

def remember_reference(
    workspace: PriorWorkspace,
    blocks: Blocks,
    moved: U8,
    prediction: Planes,
    step_q3: int,
    chroma_step_q3: int,
    pool: Pool | None = None,
) -> None:
    """Tell the prior of the reference: moved memory, and the spectrum of the prediction."""

def find_tables(
    prior: Prior,
    workspace: PriorWorkspace,
    counts: U8,
    quality: int,
    symbols: I16,
    tables: U8,
    pool: Pool | None = None,
) -> None:
    """Fill `tables` (blocks, 384) for all coded groups; 0 elsewhere."""

def read_symbols(
    prior: Prior,
    workspace: PriorWorkspace,
    reader: Reader,
    cumulative: U16,
    counts: U8,
    quality: int,
    symbols: I16,
    pool: Pool | None = None,
) -> None:
    """Read all symbols (blocks, 384), which are zero on entry. Raises Damaged."""

def feature_rows(
    workspace: PriorWorkspace, counts: U8, symbols: I16
) -> list[tuple[int, int, I32, U8]]:
    """(group, phase, blocks (1, n), rows (n, features)) of all groups, for training."""

def luma_basis() -> I8:
    """(256, 256) by sample and frequency: the rounded transform of the prediction's spectrum."""

def chroma_basis() -> I8:
    """(64, 64), the same of chroma."""

# --- conv

class ConvWorkspace:
    """Scratch memory of a decoder network; grows once."""

    def __init__(self) -> None: ...

class ConvNetwork:
    """A decoder network, laid out for this processor. Computes exactly."""

    def __init__(self, layers: list[tuple[I8, I32, U8]]) -> None:
        """Weights (outputs, inputs, side, side), biases (1 or 64, outputs) and shifts (outputs,) of
        each layer, in the order in which they run."""
    def correction(
        self,
        workspace: ConvWorkspace,
        picture: Planes,
        predicted: Planes | None,
        blocks: Blocks,
        quality: int,
        steps_q3: tuple[int, int],
        added: Added,
        pool: Pool | None = None,
    ) -> None:
        """Write what the network would add to each sample, in 1/16 grey level."""
    def raw(self, workspace: ConvWorkspace, fine: I8, maps: U8, quality: int, out: I8) -> None:
        """Write (24, H/4, W/4) of inputs (27 or 51, H/4, W/4) and maps (5, H/8, W/8)."""

def areas_acting(blocks: Blocks, areas: U8) -> None:
    """Write 1 for areas (down, across) where a block coded something, is new or moved, else 0."""

def correction_saves(
    source: Planes,
    picture: Planes,
    added: Added,
    blocks: Blocks,
    saved: I64,
    pool: Pool | None = None,
) -> None:
    """Write the squared errors (half or all, luma or chroma, down, across) that areas lose."""

def choose_levels(saved: I64, areas: U8, bit_weights: tuple[float, float], levels: U8) -> float:
    """Write the levels of the lowest errors and bits together; returns their bits. All are 0 where
    they cost more than they save. `bit_price` is what a bit costs in squared errors of luma and of
    chroma."""

def write_levels(writer: Writer, areas: U8, levels: U8) -> None:
    """Append the levels (luma or chroma, down, across) of areas that carry one."""

def read_levels(reader: Reader, areas: U8, levels: U8) -> None:
    """What was written. Raises Damaged."""

def add_correction(
    picture: Planes, added: Added, blocks: Blocks, levels: U8, pool: Pool | None = None
) -> None:
    """Add each area's share of the correction, in blocks that act."""
