// SPDX-License-Identifier: Apache-2.0
// Which mode and vectors a block gets: the encoder's own business, since the result is signalled.
//
// Each block tries the vectors of its neighbours and of the frame before, walks downhill from the
// best in growing detail (whole, half, quarter samples) by the sum of absolute differences, then
// compares whole block, four quarters and intra prediction by Hadamard coefficients, which estimate
// bits better. Bits are weighed in everywhere, at the price of the adaptive contexts.
#pragma once

#include "motion/cost.hpp"

namespace sc {

// Choose mode and vectors for every block of the band: fills its modes, field and intra modes (-1
// in inter blocks), `costs`, `candidate_index` and `is_static`.
void search_band(const BandSearch& band);

}  // namespace sc
