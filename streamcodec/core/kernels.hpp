// SPDX-License-Identifier: Apache-2.0
// Inner loops that are compiled once for each level of instructions, and the choice among them.
//
// Files in kernels/ are compiled several times, with SC_LEVEL naming the level and its namespace.
// They include nothing of the standard library with code in it (a template that the linker merges
// could bring one level's instructions to a processor that lacks them), only fixed-width integers
// and <math.h>, and define one table of functions each. All levels give the same results, floats
// included: no contraction, and sums of floats in sixteen lanes that are added in one order.
#pragma once

#include "kernels/tables.hpp"

namespace sc {

struct Kernels {
    const char* level;
    const MotionKernels* motion;
    const BlockKernels* blocks;
    const PictureKernels* pictures;
    const PriorKernels* prior;
    const ConvKernels* conv;
};

// The best level that this processor has, capped by the environment's STREAMCODEC_LEVEL; chosen
// once. Throws std::invalid_argument when that names no level that this build and machine have.
const Kernels& kernels();

// Names of all levels that this build and this processor have, the plainest first.
struct Levels {
    const char* names[8];
    int count;
};
Levels levels();

// Choose a level by name (for tests); throws std::invalid_argument.
void choose_level(const char* name);

}  // namespace sc
