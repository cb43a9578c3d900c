// SPDX-License-Identifier: Apache-2.0
#include "kernels/prior.hpp"

#include "kernels/level.hpp"

namespace sc::SC_LEVEL {

extern const PriorKernels prior_kernels;
const PriorKernels prior_kernels = {0};

}  // namespace sc::SC_LEVEL
