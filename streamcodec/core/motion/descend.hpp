// SPDX-License-Identifier: Apache-2.0
// Downhill from a vector to a nearby minimum of difference and price, in growing detail.
#pragma once

#include "motion/cost.hpp"

namespace sc {

// A block of 16x16 or 8x8 samples on its way.
struct Walker {
    int y, x, size;
    const u8* samples;  // its own, 16 to a row
    Limits limits;
    Vector from;  // what its vector is told against
    Vector at{};
    int cost = FAR;
};

// Move `walker`, whose cost is known, to the bottom; the first step is in quarter samples.
void descend(const BandSearch& band, Walker& walker, int first_step);

}  // namespace sc
