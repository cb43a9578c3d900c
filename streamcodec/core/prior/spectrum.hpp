// SPDX-License-Identifier: Apache-2.0
// The transform of a predicted block in integers: a DCT whose two-dimensional basis is rounded to
// bytes (luma times 1016, chroma times 508), applied to samples minus 128. Exact sums, so that
// both ends see the same.
#pragma once

#include "grid.hpp"

namespace sc {

struct Spectrum {
    i32 luma[256];    // by folded place; `luma_channel` says which channel each is
    i32 chroma[2][64];
};

// Of the block at (row, column) in blocks of 16x16.
void spectrum_of(const ConstPlanes& planes, int row, int column, Spectrum& out);

// Channel of each place of `Spectrum`.
const u16 (&luma_channels())[256];
const u16 (&chroma_channels())[2][64];

// The bases as by position: (256, 256) and (64, 64) row by row, for the tests.
void luma_basis(i8* out);
void chroma_basis(i8* out);

}  // namespace sc
