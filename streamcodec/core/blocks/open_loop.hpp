// SPDX-License-Identifier: Apache-2.0
// Coefficients before anything is coded: what the prior and the first pass look at.
#pragma once

#include "blocks/added.hpp"
#include "blocks/transform.hpp"
#include "blocks/workspace.hpp"
#include "grid.hpp"

namespace sc {

class Pool;

// Blocks that cost next to nothing when their count is 0: their vector is merged from a candidate, or
// shared by the square that they are part of.
enum class Free : u8 { NO = 0, TAKEN = 1, JOINED = 2 };

// Transform source minus prediction of every inter block, luma in whichever way is cheapest: fills
// the blocks' splits, a row of `coefficients` each (zeros in intra blocks), and `free`.
void transform_inter(BlocksWorkspace& workspace, const ConstPlanes& source,
                     const ConstPlanes& prediction, const Blocks& blocks,
                     Grid<const Vector> reference_field, float inverse_step, Grid<float> coefficients,
                     Grid<u8> free, Splitting splitting, Pool* pool);

// Coefficients of intra blocks as predicted from the source; other rows are left alone.
void open_loop(const ConstPlanes& source, const Blocks& blocks, Grid<float> coefficients,
               Pool* pool);

// Add the transform of what is added to the source, each block as its split says.
void shift_coefficients(const Added& added, const Blocks& blocks, Grid<float> coefficients,
                        Pool* pool);

// The 384 samples of a block, source minus prediction; returns whether any is not zero.
bool differences(const ConstPlanes& source, const ConstPlanes& prediction, int row, int column,
                 float* out);

}  // namespace sc
