// SPDX-License-Identifier: Apache-2.0
// What blocks would cost, estimated; and all that the search of a band of rows works on.
#pragma once

#include <algorithm>
#include <cstring>

#include "contexts.hpp"
#include "grid.hpp"
#include "kernels.hpp"
#include "motion/field.hpp"
#include "motion/params.hpp"
#include "motion/shifted.hpp"

namespace sc {

inline constexpr int FAR = 1 << 28;  // beyond every cost

// Vectors that a block was weighed by already. Forgets the oldest.
struct Weighed {
    static constexpr int MOST = 12;
    Vector by[MOST];
    i32 cost[MOST];
    u8 count = 0;
    u8 oldest = 0;

    [[nodiscard]] int find(Vector vector) const {
        for (int k = 0; k < count; ++k) {
            if (by[k] == vector) return cost[k];
        }
        return -1;
    }
    void add(Vector vector, int value) {
        const int at = count < MOST ? count++ : oldest++ % MOST;
        by[at] = vector;
        cost[at] = value;
    }
};

// Vectors under which a block stays within reach of the reference.
struct Limits {
    int least_dy, most_dy, least_dx, most_dx;

    Limits(int y, int x, int height, int width)
        : least_dy(std::max(4 * (-REACH_PX - y), -LONGEST)),
          most_dy(std::min(4 * (height + REACH_PX - BLOCK_PX - y) + 3, LONGEST)),
          least_dx(std::max(4 * (-REACH_PX - x), -LONGEST)),
          most_dx(std::min(4 * (width + REACH_PX - BLOCK_PX - x) + 3, LONGEST)) {}
    [[nodiscard]] bool hold(int dy, int dx) const {
        return least_dy <= dy && dy <= most_dy && least_dx <= dx && dx <= most_dx;
    }
    [[nodiscard]] bool hold(Vector by) const { return hold(by.dy, by.dx); }

  private:
    static constexpr int LONGEST = 32767;  // that a Vector holds
};

// A band of block rows while it is searched. All grids are the band's own rows, so that it sees no
// vectors above itself, and bands can be searched side by side.
struct BandSearch {
    const MotionKernels& kernels;
    const MotionParams& params;
    const VectorPrices& prices;
    ConstContexts contexts;
    Grid<const u8> source;  // the whole picture
    int offset;             // block rows above the band
    Known known;
    Blocks blocks;
    Shifted& shifted;
    Grid<const u8> samples;  // (rows, columns * 256): of each block, one after the other
    Grid<u8> candidate_index;  // which candidate a block took over
    Grid<u8> is_static;        // 1 where a block is weighed by the error that is left uncoded
    Grid<i32> costs;         // of each block besides its motion, in 1/16 bit
    Grid<u8> sides;          // of squares with one vector
    Grid<i32> apart;         // price of motion in a square, at its corner
    Grid<Weighed> weighed;

    [[nodiscard]] const u8* samples_of(int row, int column) const {
        return &samples(row, column * (BLOCK_PX * BLOCK_PX));
    }
    [[nodiscard]] int y_of(int row) const { return BLOCK_PX * (row + offset); }
    [[nodiscard]] Limits limits(int row, int column) const {
        return {y_of(row), BLOCK_PX * column, source.rows, source.columns};
    }
    // Where a block moved by a vector comes from.
    [[nodiscard]] Shifted::Patch patch(int row, int column, Vector by, u8* room) const {
        return shifted.patch(y_of(row), BLOCK_PX * column, BLOCK_PX, by, room);
    }
    // Sum of absolute differences of a block moved by a vector within its limits.
    [[nodiscard]] int sad(int row, int column, Vector by) const {
        return shifted.sad(y_of(row), BLOCK_PX * column, BLOCK_PX, by, samples_of(row, column));
    }
    // What a block costs besides its motion, in 1/16 bit, in the measure it is searched by: the
    // error that is left uncoded, or estimated bits of its differences.
    [[nodiscard]] int cost(int row, int column, Vector by) const {
        Weighed& seen = weighed(row, column);
        int value = seen.find(by);
        if (value >= 0) return value;
        u8 room[BLOCK_PX * BLOCK_PX];
        const auto [other, pitch] = patch(row, column, by, room);
        if (is_static(row, column)) {
            value = standing_cost(static_cast<float>(
                kernels.squared16(samples_of(row, column), other, pitch)));
        } else {
            value = kernels.hadamard16(samples_of(row, column), other, pitch, params.bit_weights);
        }
        seen.add(by, value);
        return value;
    }
    [[nodiscard]] int standing_cost(float squared) const {
        return static_cast<int>(std::min(squared * params.per_square, static_cast<float>(FAR)));
    }
    // Price of a bit count in 1/256, in absolute difference.
    [[nodiscard]] int in_difference(int bits_q8) const {
        return static_cast<int>((static_cast<i64>(params.lambda_q8) * bits_q8) >> 16);
    }
    [[nodiscard]] int bits_q8(Vector by, Vector from) const {
        return prices.of(by.dy - from.dy, by.dx - from.dx);
    }
};

}  // namespace sc
