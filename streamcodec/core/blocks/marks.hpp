// SPDX-License-Identifier: Apache-2.0
// What is noted of blocks between the two passes.
#pragma once

#include "grid.hpp"

namespace sc {

// Intra blocks may code at least so many groups.
void keep_intra(const Blocks& blocks, int fewest);

// Blocks that code nothing have no split, but where intra prediction goes by it.
void forget_splits(const Blocks& blocks);

// What coding a block must gain where the frame shall not be finer than its reference: `bits` where a
// still block's skip is nearly free (`free`), or, where more than `share` of all blocks are still, in all
// blocks whose vector's larger part is at most `noise`, since small vectors follow noise there.
struct Hurdle {
    u8 bits;
    float share;
    int noise;
};
void set_hurdle(const Blocks& blocks, Grid<const u8> free, Hurdle hurdle, Grid<u8> out);

}  // namespace sc
