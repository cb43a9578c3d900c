// SPDX-License-Identifier: Apache-2.0
// Which intra prediction and which transforms a block gets, judged by the source's own samples.
#pragma once

#include "blocks/intra.hpp"
#include "grid.hpp"
#include "kernels.hpp"
#include "motion/params.hpp"

namespace sc {

struct IntraChoice {
    int mode = -1;
    int cost = 0;  // 1/16 bit
};

// Best intra prediction of a square (8 or 16 a side) from the source's own neighbours. `samples`
// are its own, 16 to a row. `hint` is a mode that costs few bits; `quick` tries only the commonest.
IntraChoice best_intra(const MotionKernels& kernels, Grid<const u8> source, const Square& square,
                       const u8* samples, BitWeights bit_weights, int hint, bool quick);

// Choose 16x16 or 8x8 intra prediction for block rows [first, last) of a keyframe whose blocks are
// all of `blocks`: fills modes, intra modes and splits. `inverse_step` is of luma.
void search_key_rows(Grid<const u8> source, BitWeights bit_weights, float inverse_step, int first,
                     int last, const Blocks& blocks);

}  // namespace sc
