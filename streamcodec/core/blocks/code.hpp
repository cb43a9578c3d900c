// SPDX-License-Identifier: Apache-2.0
// The encoder's loop: chooses the final symbols, since intra prediction starts from decoded
// neighbours, and leaves exactly the picture that `rebuild` makes from those symbols.
#pragma once

#include "blocks/added.hpp"
#include "blocks/workspace.hpp"
#include "contexts.hpp"
#include "grid.hpp"

namespace sc {

struct CodeParams {
    double mu;  // weight of a bit, in squared steps
    int trend;   // contexts.hpp: Known
};

// What is coded, and what its bits cost.
struct CodeInput {
    ConstPlanes source;
    Added added;                     // to the source, in `coefficients` already
    Grid<const float> coefficients;  // (blocks, 384) of the inter blocks
    Grid<const u8> tables;           // (blocks, 384) tables that a first pass found
    Grid<const i32> costs_q8;        // (64, 16) price of each level in 1/256 bit
    const i32* steps_q3;             // 384
    ConstContexts contexts;
    Grid<const u8> reference_counts;
    Grid<const u8> free;    // Free, see open_loop.hpp
    Grid<const u8> hurdle;  // bits that coding a block must gain
};

// Fill a row of `symbols` a block. On entry the blocks' counts are the first pass', an upper bound,
// on return the final ones; `planes` hold the inter prediction, and then the picture.
void code(BlocksWorkspace& workspace, const CodeParams& params, const CodeInput& input,
          const Blocks& blocks, Grid<i16> symbols, const Planes& planes);

}  // namespace sc
