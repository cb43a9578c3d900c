// SPDX-License-Identifier: Apache-2.0
#include "blocks/marks.hpp"

#include <algorithm>
#include <cstdlib>

namespace sc {

void keep_intra(const Blocks& blocks, int fewest) {
    for (int row = 0; row < blocks.rows(); ++row) {
        for (int column = 0; column < blocks.columns(); ++column) {
            u8& count = blocks.counts(row, column);
            if (blocks.modes(row, column) >= INTRA16 && count < fewest) count = static_cast<u8>(fewest);
        }
    }
}

void forget_splits(const Blocks& blocks) {
    for (int row = 0; row < blocks.rows(); ++row) {
        for (int column = 0; column < blocks.columns(); ++column) {
            if (blocks.counts(row, column) == 0 && blocks.modes(row, column) != INTRA8)
                blocks.splits(row, column) = 0;
        }
    }
}

void set_hurdle(const Blocks& blocks, Grid<const u8> free, Hurdle hurdle, Grid<u8> out) {
    const int rows = blocks.rows(), columns = blocks.columns();
    const auto vector = [&](int row, int column) { return blocks.field(2 * row, 2 * column); };
    int still = 0;
    for (int row = 0; row < rows; ++row)
        for (int column = 0; column < columns; ++column) still += vector(row, column) == Vector{};
    const bool mostly_still = static_cast<float>(still) > hurdle.share * static_cast<float>(rows * columns);
    for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column) {
            const Vector by = vector(row, column);
            const bool high = mostly_still ? std::max(std::abs(by.dy), std::abs(by.dx)) <= hurdle.noise
                                     : by == Vector{} && free(row, column) != 0;
            out(row, column) = high ? hurdle.bits : u8{0};
        }
    }
}

}  // namespace sc
