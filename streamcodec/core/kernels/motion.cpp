// SPDX-License-Identifier: Apache-2.0
#include "kernels/motion.hpp"

#include "kernels/level.hpp"

namespace sc::SC_LEVEL {

extern const MotionKernels motion_kernels;
const MotionKernels motion_kernels = {0};

}  // namespace sc::SC_LEVEL
