// SPDX-License-Identifier: Apache-2.0
#include "kernels/blocks.hpp"

#include "kernels/blocks_parts.hpp"

namespace sc::SC_LEVEL {

extern const BlockKernels blocks_kernels;
const BlockKernels blocks_kernels = {
    subtract, forward16, forward8,   forward4s, forward4, level_bits, quantise_plain, groups,
    large,    nonzero,  sum_prices, add16,     add8,     add4,  add_plain4,     predict,
};

}  // namespace sc::SC_LEVEL
