// SPDX-License-Identifier: Apache-2.0
// The transform of a predicted block in integers: a DCT whose two-dimensional basis is rounded to
// bytes (luma times 1016, chroma times 508), applied to samples minus 128. Exact sums, so that
// both ends see the same.
#pragma once

#include "grid.hpp"

namespace sc {

// Samples of the block at (row, column) in blocks of 16x16, less 128: luma's 256, then 64 of each chroma.
void samples_of(const ConstPlanes& planes, int row, int column, i8* out);

// Of `count` blocks, CHANNELS samples each as `samples_of` leaves them; `out` has as many sums. They
// are in folded order: `channel_of_place` maps it to channels.
void spectra_of(const i8* samples, int count, i32* out);
const u16 (&channel_of_place())[CHANNELS];

// The bases as by position: (256, 256) and (64, 64) row by row, for the tests.
void luma_basis(i8* out);
void chroma_basis(i8* out);

}  // namespace sc
