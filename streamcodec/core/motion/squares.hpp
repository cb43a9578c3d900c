// SPDX-License-Identifier: Apache-2.0
// Squares of blocks that share one vector: blocks are united after the search of each of them.
#pragma once

#include "motion/cost.hpp"

namespace sc {

// Fixed signalling overhead besides the vector, in 1/16 bit: for a block that takes over a
// neighbour's, for a block on its own, for a square of blocks with one vector.
inline constexpr int TAKING = 4;
inline constexpr int SINGLE = 6;
inline constexpr int SQUARE = 4;

// Give squares of blocks one vector where that is cheaper, small squares first; then let blocks on
// their own choose again, whose neighbours' vectors may have changed.
void unite_squares(const BandSearch& band);

}  // namespace sc
