// SPDX-License-Identifier: Apache-2.0
// The squares of an intra block in the order of their prediction, for whoever predicts them.
#pragma once

#include <algorithm>

#include "blocks/intra.hpp"
#include "blocks/transform.hpp"

namespace sc {

struct LumaSquare {
    Square square;
    int mode;
    int quarter;  // 0 where the square is the whole block
    int part;     // 4x4 square of the quarter, 0 where it is not cut
    QuarterKind kind;
};

// Call visit(LumaSquare) for the block's 16x16, its 8x8 quarters, or, where `fine` and the
// quarter's kind says so, its 4x4 squares.
template <class Visit>
void walk_luma(const Blocks& blocks, int row, int column, bool fine, Visit&& visit) {
    if (blocks.modes(row, column) == INTRA16) {
        visit(LumaSquare{whole_square(row, column), blocks.intra_modes(2 * row, 2 * column), 0, 0,
                         EIGHT});
        return;
    }
    for (int k = 0; k < 4; ++k) {
        const int mode = blocks.intra_modes(2 * row + (k >> 1), 2 * column + (k & 1));
        const auto kind =
            static_cast<QuarterKind>(fine ? transform_of(blocks.splits(row, column), k) : EIGHT);
        if (kind == EIGHT) {
            visit(LumaSquare{quarter_square(row, column, k), mode, k, 0, kind});
            continue;
        }
        for (int part = 0; part < 4; ++part) {
            visit(LumaSquare{sixteenth_square(row, column, k, part), mode, k, part, kind});
        }
    }
}

// Predict a square of a picture in place.
inline u8* predict_in(Grid<u8> plane, const Square& square, int mode) {
    u8* at = plane.row(square.y) + square.x;
    predict_square(plane, square, mode, at, plane.pitch);
    return at;
}
// Both chromas of an intra block follow its first luma mode.
inline void predict_chroma(const Blocks& blocks, int row, int column, const Planes& planes) {
    const int mode = blocks.intra_modes(2 * row, 2 * column);
    predict_in(planes.u, chroma_square(row, column), mode);
    predict_in(planes.v, chroma_square(row, column), mode);
}

// The split that a block's residual has: blocks with quarters always have one.
inline int split_of(const Blocks& blocks, int row, int column) {
    const int split = blocks.splits(row, column);
    return blocks.modes(row, column) == INTRA8 ? std::max(split, 1) : split;
}

}  // namespace sc
