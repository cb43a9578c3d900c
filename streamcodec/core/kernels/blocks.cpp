// SPDX-License-Identifier: Apache-2.0
#include "kernels/blocks.hpp"

#include "kernels/level.hpp"

namespace sc::SC_LEVEL {

extern const BlockKernels blocks_kernels;
const BlockKernels blocks_kernels = {0};

}  // namespace sc::SC_LEVEL
