// SPDX-License-Identifier: Apache-2.0
// Prediction of a square from its decoded neighbours: mean, plane and 33 directions, in integers.
//
// Modes, angles and the smoothing rule are those of HEVC (ITU-T H.265, 8.4.4.2): 0 planar, 1 mean,
// 2 to 34 directions from lower left over left (10), upper left (18) and top (26) to upper right.
#pragma once

#include "grid.hpp"

namespace sc {

inline constexpr int PLANAR = 0;
inline constexpr int MEAN = 1;
inline constexpr int HORIZONTAL = 10;
inline constexpr int VERTICAL = 26;
inline constexpr int INTRA_MODES = 35;

// A square of 4, 8 or 16 samples a side, and how many samples beyond it are decoded already: to the
// right of its upper right corner, and below its lower left one.
struct Square {
    int y;
    int x;
    int size;
    int right;
    int below;
};

// The 4 * size + 1 samples around a square, from lower left to upper right: at[2 * size] is the
// corner, at[2 * size - 1 - i] lies i below it, at[2 * size + 1 + i] i to its right.
struct Edge {
    u8 at[80];
};

// Missing samples repeat the nearest known one; without any neighbour all are 128.
void gather(Grid<const u8> plane, const Square& square, Edge& edge);
// The edge filtered by (1, 2, 1) / 4, ends kept.
void smooth(const Edge& edge, int size, Edge& out);
// True when the mode reads the filtered edge at this size.
constexpr bool wants_smooth(int mode, int size) {
    if (mode == MEAN || size < 8) return false;
    if (mode == PLANAR) return true;
    const int across = mode < HORIZONTAL ? HORIZONTAL - mode : mode - HORIZONTAL;
    const int down = mode < VERTICAL ? VERTICAL - mode : mode - VERTICAL;
    return (across < down ? across : down) > (size == 16 ? 1 : 7);
}
// Fill size x size samples at `out` from an edge. Throws Outside for a mode that does not exist.
void predict(const Edge& edge, int size, int mode, u8* out, std::ptrdiff_t pitch);

// All of the above: the square of `plane` as its neighbours there predict it, written to `out`
// (which may be the square's own place).
void predict_square(Grid<const u8> plane, const Square& square, int mode, u8* out,
                    std::ptrdiff_t pitch);

// Decoded samples beyond the upper right corner of an 8x8 quarter.
constexpr int right_of_quarter(int quarter, int row) {
    return quarter == 3 || (quarter == 1 && row == 0) ? 0 : 8;
}
// The same of a quarter's 4x4 square, and below its lower left corner.
constexpr int right_of_sixteenth(int part, int quarter, int row) {
    if (part == 1) return right_of_quarter(quarter, row) < 4 ? right_of_quarter(quarter, row) : 4;
    return part == 3 ? 0 : 4;
}
constexpr int below_sixteenth(int part, int quarter) {
    return part == 0 || (part == 2 && quarter == 0) ? 4 : 0;
}

// The squares of a block's luma in the order in which they are predicted.
constexpr Square whole_square(int row, int column) {
    return {16 * row, 16 * column, 16, row ? 16 : 0, 0};
}
constexpr Square quarter_square(int row, int column, int quarter) {
    return {16 * row + 8 * (quarter >> 1), 16 * column + 8 * (quarter & 1), 8,
            right_of_quarter(quarter, row), quarter == 0 ? 8 : 0};
}
constexpr Square sixteenth_square(int row, int column, int quarter, int part) {
    return {16 * row + 8 * (quarter >> 1) + 4 * (part >> 1),
            16 * column + 8 * (quarter & 1) + 4 * (part & 1), 4,
            right_of_sixteenth(part, quarter, row), below_sixteenth(part, quarter)};
}
constexpr Square chroma_square(int row, int column) {
    return {8 * row, 8 * column, 8, row ? 8 : 0, 0};
}

}  // namespace sc
