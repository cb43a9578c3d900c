// SPDX-License-Identifier: Apache-2.0
// The motion field: where vectors are predicted from, and squares of blocks that share one.
//
// Vectors live on a grid of 8x8 blocks in quarter samples. Prediction looks at blocks already
// known: left, above, above right, and the same place in the reference's field.
#pragma once

#include <algorithm>

#include "grid.hpp"
#include "pictures/compensate.hpp"

namespace sc {

inline constexpr int MOST_CANDIDATES = 3;  // vectors that a block may take over as they are
// Sides, in blocks, of the squares that may be coded as one, the larger first.
inline constexpr int REGIONS[2] = {4, 2};

struct Candidates {
    Vector at[MOST_CANDIDATES];        // distinct; the first is also the predictor
    u8 source[MOST_CANDIDATES] = {};   // of those after the first: left, above, before, above right
    int count = 1;
};

namespace field_detail {
template <class T>
T median(T a, T b, T c) {
    return std::max(std::min(a, b), std::min(std::max(a, b), c));
}
}  // namespace field_detail

// Median of the left, upper and upper right vectors of the square of `size` 8x8 blocks at (y, x).
// Blocks outside the picture or not coded yet give way to the neighbour nearest in this list.
inline Vector predictor(Grid<const Vector> field, int y, int x, int size) {
    if (y == 0) return x > 0 ? field(y, x - 1) : Vector{};
    const Vector above = field(y - 1, x);
    const Vector left = x > 0 ? field(y, x - 1) : above;
    // Above right is coded already unless it lies in a block to the right of this row of blocks.
    const bool known = x + size < field.columns && (size >= 2 || y % 2 == 0 || x % 2 == 0);
    const Vector right = known ? field(y - 1, x + size) : above;
    return {field_detail::median(left.dy, above.dy, right.dy),
            field_detail::median(left.dx, above.dx, right.dx)};
}

// Distinct vectors that a square of `blocks` times `blocks` blocks may take over. The order: median,
// left, above, the middle of the same place before, above right.
inline Candidates candidates_of(Grid<const Vector> field, Grid<const Vector> before, int row,
                                int column, int blocks) {
    const int y = 2 * row, x = 2 * column, size = 2 * blocks;
    Candidates found;
    found.at[0] = predictor(field, y, x, size);
    const auto offer = [&found](Vector vector, u8 source) {
        if (found.count == MOST_CANDIDATES) return;
        for (int k = 0; k < found.count; ++k) {
            if (found.at[k] == vector) return;
        }
        found.at[found.count] = vector;
        found.source[found.count++] = source;
    };
    if (x > 0) offer(field(y, x - 1), 0);
    if (y > 0) offer(field(y - 1, x), 1);
    if (found.count < MOST_CANDIDATES) {
        const int middle = 2 * (blocks >> 1);
        offer(before(std::min(y + middle, before.rows - 1),
                     std::min(x + middle, before.columns - 1)), 2);
    }
    if (y > 0 && x + size < field.columns) offer(field(y - 1, x + size), 3);
    return found;
}

// Which of the candidates equals the vector, or -1.
inline int which(const Candidates& candidates, Vector vector) {
    for (int k = 0; k < candidates.count; ++k) {
        if (candidates.at[k] == vector) return k;
    }
    return -1;
}

// True where a square of this side starts, and reaches beyond its first quarter.
inline bool may_unite(int rows, int columns, int row, int column, int blocks) {
    return row % blocks == 0 && column % blocks == 0 &&
           (row + (blocks >> 1) < rows || column + (blocks >> 1) < columns);
}

// True when all blocks of a square have one vector, and the same.
inline bool is_united(Grid<const u8> modes, Grid<const Vector> field, int row, int column,
                      int blocks) {
    const Vector first = field(2 * row, 2 * column);
    const int bottom = std::min(row + blocks, modes.rows);
    const int right = std::min(column + blocks, modes.columns);
    for (int i = row; i < bottom; ++i) {
        for (int j = column; j < right; ++j) {
            if (modes(i, j) != INTER16 || !(field(2 * i, 2 * j) == first)) return false;
        }
    }
    return true;
}

// Give all blocks of a square inside the grid one value.
template <class T>
void fill(Grid<T> grid, int row, int column, int blocks, T value) {
    const int bottom = std::min(row + blocks, grid.rows);
    const int right = std::min(column + blocks, grid.columns);
    for (int i = row; i < bottom; ++i) {
        for (int j = column; j < right; ++j) grid(i, j) = value;
    }
}

// Fill sides(row, column) with the side in blocks of the square coded as one: 4, 2 or 1.
inline void unite(Grid<const u8> modes, Grid<const Vector> field, Grid<u8> sides) {
    for (int row = 0; row < sides.rows; ++row) {
        for (int column = 0; column < sides.columns; ++column) sides(row, column) = 1;
    }
    for (const int blocks : REGIONS) {
        for (int row = 0; row < modes.rows; row += blocks) {
            for (int column = 0; column < modes.columns; column += blocks) {
                if (sides(row, column) == 1 &&
                    may_unite(modes.rows, modes.columns, row, column, blocks) &&
                    is_united(modes, field, row, column, blocks)) {
                    fill(sides, row, column, blocks, static_cast<u8>(blocks));
                }
            }
        }
    }
}

// True when a 16x16 block at (y, x) moved by (dy, dx) starts at most REACH_PX outside the picture.
// Takes integers: a vector in the making may exceed what a Vector holds.
inline bool within_reach(int y, int x, int dy, int dx, int height, int width) {
    const int top = y + (dy >> 2), left = x + (dx >> 2);
    return -REACH_PX <= top && top <= height + REACH_PX - BLOCK_PX && -REACH_PX <= left &&
           left <= width + REACH_PX - BLOCK_PX;
}
inline bool within_reach(int y, int x, Vector by, int height, int width) {
    return within_reach(y, x, by.dy, by.dx, height, width);
}

// Give all four 8x8 blocks of a 16x16 block one vector.
inline void set_block(Grid<Vector> field, int row, int column, Vector vector) {
    for (int i = 0; i < 2; ++i) {
        for (int j = 0; j < 2; ++j) field(2 * row + i, 2 * column + j) = vector;
    }
}

// Give all blocks of a square one vector.
inline void set_square(Grid<Vector> field, int row, int column, int blocks, Vector vector) {
    fill(field, 2 * row, 2 * column, 2 * blocks, vector);
}

}  // namespace sc
