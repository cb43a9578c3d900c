// SPDX-License-Identifier: Apache-2.0
// What an encoder network adds to the source before it is transformed, in grey levels; planes of no
// samples add nothing.
#pragma once

#include <cstddef>

#include "grid.hpp"

namespace sc {

using Added = PlanesOf<const float>;

// Add a square of a plane to samples with this row pitch.
inline void add_square(Grid<const float> plane, int y, int x, int size, float* samples,
                       std::ptrdiff_t pitch) {
    if (plane.rows == 0) return;
    for (int i = 0; i < size; ++i) {
        const float* from = plane.row(y + i) + x;
        for (int j = 0; j < size; ++j) samples[i * pitch + j] += from[j];
    }
}

// The same for the 384 samples of a block.
inline void add_block(const Added& added, int row, int column, float* samples) {
    add_square(added.y, 16 * row, 16 * column, 16, samples, 16);
    add_square(added.u, 8 * row, 8 * column, 8, samples + 256, 8);
    add_square(added.v, 8 * row, 8 * column, 8, samples + 320, 8);
}

}  // namespace sc
