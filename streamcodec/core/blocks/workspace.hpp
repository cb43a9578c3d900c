// SPDX-License-Identifier: Apache-2.0
// Scratch memory of the loops over blocks, kept from frame to frame.
#pragma once

#include <vector>

#include "blocks/quantise.hpp"
#include "grid.hpp"

namespace sc {

struct BlocksWorkspace {
    LevelPrices prices;
    std::vector<u8> skips;
    std::vector<u8> sides;

    // A grid of zeros in `memory`.
    static Grid<u8> grid_in(std::vector<u8>& memory, int rows, int columns) {
        memory.assign(static_cast<std::size_t>(rows) * columns, 0);
        return {memory.data(), rows, columns};
    }
};

}  // namespace sc
