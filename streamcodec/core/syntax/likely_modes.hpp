// SPDX-License-Identifier: Apache-2.0
// Which intra modes are coded with few bits.
#pragma once

#include <algorithm>

#include "blocks/intra.hpp"
#include "grid.hpp"

namespace sc {

// The three likeliest intra modes from the left and upper neighbours (H.265, 8.4.2).
struct Likely {
    int modes[3];

    Likely(Grid<const i8> intra_modes, int y, int x) {
        int left = x ? intra_modes(y, x - 1) : -1;
        int above = y ? intra_modes(y - 1, x) : -1;
        if (left < 0) left = MEAN;
        if (above < 0) above = MEAN;
        if (left != above) {
            modes[0] = left;
            modes[1] = above;
            if (left != PLANAR && above != PLANAR) {
                modes[2] = PLANAR;
            } else {
                modes[2] = left != MEAN && above != MEAN ? MEAN : VERTICAL;
            }
        } else if (left < 2) {
            modes[0] = PLANAR, modes[1] = MEAN, modes[2] = VERTICAL;
        } else {
            modes[0] = left, modes[1] = 2 + (left + 29) % 32, modes[2] = 2 + (left - 1) % 32;
        }
    }
    [[nodiscard]] int find(int mode) const {
        for (int k = 0; k < 3; ++k) {
            if (modes[k] == mode) return k;
        }
        return -1;
    }
    // The place of another mode among those that are not here, and back.
    [[nodiscard]] int rank(int mode) const {
        return mode - (modes[0] < mode) - (modes[1] < mode) - (modes[2] < mode);
    }
    [[nodiscard]] int unranked(int rank) const {
        const int low = std::min({modes[0], modes[1], modes[2]});
        const int high = std::max({modes[0], modes[1], modes[2]});
        const int middle = modes[0] + modes[1] + modes[2] - low - high;
        int mode = rank;
        mode += mode >= low;
        mode += mode >= middle;
        return mode + (mode >= high);
    }
};

}  // namespace sc
