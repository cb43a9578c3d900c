// SPDX-License-Identifier: Apache-2.0
// What a search is told: prices of its decisions, and how hard it shall try.
#pragma once

#include <string_view>

#include "grid.hpp"
#include "kernels/motion.hpp"

namespace sc {

// How hard the search tries. The defaults are those of effort `normal`.
struct SearchEffort {
    int still_q4 = 16;       // how still a block is that is not searched: share of `still` in 1/16
    int wide_step = 16;      // first step, in quarter samples, where a start is poor
    int near_step = 4;       // and where it is good
    int most_moves = 16;     // of one size of step
    bool rough_quarters = false;  // quarter samples are means of halves (shifted.hpp)
    bool diagonals = true;   // of half and quarter steps: eight neighbours, not four
    int refine_rounds = 0;   // of quarter steps that are weighed by estimated bits
    int quarters_step = 8;   // first step of a quarter's search
    int quarters_from = 60;  // estimated bits of a whole block from which quarters are tried
    int alike_from = 60;     // the same where all candidates are near the block's vector
    int intra_from = 100;    // and intra prediction
    int square_tries = 32;   // vectors that are tried for a square
    int weigh_within = 0;    // candidates are weighed within so many quarters of the best one's
                             // difference; 0: all are
    bool first_prices = false;  // in squares, blocks' motion costs what it did when they were searched
};

// The efforts that have a name: fast, normal, best. Throws std::invalid_argument for others.
SearchEffort effort_of(std::string_view name);

struct MotionParams {
    int lambda_q8 = 0;     // price of a bit in absolute difference
    int still = 0;         // difference below which a candidate is taken without a search
    BitWeights bit_weights{};  // of Hadamard coefficients, in 1/16 bit
    float per_square = 0;  // of a squared difference that stays, in 1/16 bit
    SearchEffort effort;
};

}  // namespace sc
