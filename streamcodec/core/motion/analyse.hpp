// SPDX-License-Identifier: Apache-2.0
// The encoder's first look at a frame: modes and vectors of all blocks, in bands side by side.
#pragma once

#include <vector>

#include "contexts.hpp"
#include "grid.hpp"
#include "motion/cost.hpp"
#include "motion/params.hpp"
#include "motion/shifted.hpp"
#include "pool.hpp"

namespace sc {

// Memory of the search, kept from frame to frame.
struct MotionWorkspace {
    Shifted shifted;
    VectorPrices prices;
    std::vector<u8> samples;
    std::vector<u8> candidate_index, is_static, sides;
    std::vector<i32> costs, apart;
    std::vector<Weighed> weighed;
};

// Choose intra modes and splits of a keyframe; `source` has sides of multiples of 16, `inverse_step`
// is of luma.
void analyse_key(Grid<const u8> source, BitWeights bit_weights, float inverse_step,
                 const Blocks& blocks, Pool* pool);

// Choose modes and vectors of an inter frame. Source and reference luma have the blocks' size.
// Counts and splits are left alone.
void analyse_inter(MotionWorkspace& workspace, Grid<const u8> source, Grid<const u8> reference,
                   const Blocks& blocks, const MotionParams& params, ConstContexts contexts,
                   const Known& known, Pool* pool);

}  // namespace sc
