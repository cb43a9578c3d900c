// SPDX-License-Identifier: Apache-2.0
#include "kernels/pictures.hpp"

#include "kernels/level.hpp"

namespace sc::SC_LEVEL {

extern const PictureKernels pictures_kernels;
const PictureKernels pictures_kernels = {0};

}  // namespace sc::SC_LEVEL
