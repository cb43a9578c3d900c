// SPDX-License-Identifier: Apache-2.0
// Interpolation filters of HEVC: 8 taps for luma's quarters, 4 for chroma's eighths.
#pragma once

#include "kernels/level.hpp"

namespace sc::SC_LEVEL {

static const int16_t LUMA_TAPS[4][8] = {
    {0, 0, 0, 64, 0, 0, 0, 0},
    {-1, 4, -10, 58, 17, -5, 1, 0},
    {-1, 4, -11, 40, 40, -11, 4, -1},
    {0, 1, -5, 17, 58, -10, 4, -1},
};
static const int16_t CHROMA_TAPS[8][4] = {
    {0, 64, 0, 0},    {-2, 58, 10, -2}, {-4, 54, 16, -2}, {-6, 46, 28, -4},
    {-4, 36, 36, -4}, {-4, 28, 46, -6}, {-2, 16, 54, -4}, {-2, 10, 58, -2},
};


}  // namespace sc::SC_LEVEL
