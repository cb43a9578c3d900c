// SPDX-License-Identifier: Apache-2.0
// The loop filter's normal equations, for training.
#include <algorithm>
#include <cstdlib>

#include "pictures/loopfilter.hpp"

namespace sc {

namespace {

constexpr int PAIR_DY[FILTER_PAIRS] = {0, 1, 0, 2, 1, 1};
constexpr int PAIR_DX[FILTER_PAIRS] = {1, 0, 2, 0, 1, -1};

// A plane whose edge samples repeat.
struct Repeated {
    Grid<const u8> plane;
    int operator()(int y, int x) const {
        return plane(std::clamp(y, 0, plane.rows - 1), std::clamp(x, 0, plane.columns - 1));
    }
};

int class_of(const Repeated& plane, int top, int left, int step_q3) {
    int across = 0;
    int down = 0;
    for (int y = top; y < top + 4; ++y) {
        for (int x = left; x < left + 4; ++x) {
            const int twice = 2 * plane(y, x);
            across += std::abs(twice - plane(y, x - 1) - plane(y, x + 1));
            down += std::abs(twice - plane(y - 1, x) - plane(y + 1, x));
        }
    }
    const int activity = (across + down) * 2 / std::max(step_q3, 1);
    int level = 0;
    while (level < 4 && activity >= (2 << level)) ++level;
    if (across > 2 * down) return 3 * level + 1;
    return 3 * level + (down > 2 * across ? 2 : 0);
}

// Whole numbers: exact in any order.
struct Sums {
    i64 squares[FILTER_CLASSES][FILTER_PAIRS][FILTER_PAIRS] = {};
    i64 products[FILTER_CLASSES][FILTER_PAIRS] = {};
};

void add_square(const Repeated& plane, const Grid<const u8>& source, int top, int left, int step_q3,
                Sums& sums) {
    const int limit = std::max(step_q3 >> 3, 1);
    const int c = class_of(plane, top, left, step_q3);
    for (int y = top; y < top + 4; ++y) {
        for (int x = left; x < left + 4; ++x) {
            const int centre = plane(y, x);
            const int miss = source(y, x) - centre;
            int f[FILTER_PAIRS];
            for (int k = 0; k < FILTER_PAIRS; ++k) {
                f[k] = std::clamp(plane(y + PAIR_DY[k], x + PAIR_DX[k]) - centre, -limit, limit) +
                       std::clamp(plane(y - PAIR_DY[k], x - PAIR_DX[k]) - centre, -limit, limit);
            }
            for (int k = 0; k < FILTER_PAIRS; ++k) {
                sums.products[c][k] += f[k] * miss;
                for (int m = 0; m < FILTER_PAIRS; ++m) sums.squares[c][k][m] += f[k] * f[m];
            }
        }
    }
}

}  // namespace

void filter_accumulate(Grid<const u8> plane, Grid<const u8> source, Grid<const u8> counts,
                       Grid<const u8> modes, int step_q3, FilterSums sums) {
    const int block_px = counts.rows ? plane.rows / counts.rows : 0;
    if ((block_px != 16 && block_px != 8) || plane.rows != block_px * counts.rows ||
        plane.columns != block_px * counts.columns || source.rows != plane.rows ||
        source.columns != plane.columns || modes.rows != counts.rows ||
        modes.columns != counts.columns) {
        throw Outside();
    }
    Sums found;
    for (int y = 0; y < plane.rows; y += 4) {
        for (int x = 0; x < plane.columns; x += 4) {
            const int row = y / block_px;
            const int column = x / block_px;
            if (counts(row, column) == 0 && modes(row, column) < INTRA16) continue;
            add_square({plane}, source, y, x, step_q3, found);
        }
    }
    for (int c = 0; c < FILTER_CLASSES; ++c) {
        for (int k = 0; k < FILTER_PAIRS; ++k) {
            const int at = FILTER_PAIRS * c + k;
            sums.products[at] += static_cast<double>(found.products[c][k]);
            for (int m = 0; m < FILTER_PAIRS; ++m) {
                sums.squares[FILTER_PAIRS * at + m] += static_cast<double>(found.squares[c][k][m]);
            }
        }
    }
}

}  // namespace sc
