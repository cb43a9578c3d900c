// SPDX-License-Identifier: Apache-2.0
// The prior: for every symbol, which of 64 tables codes it. An exact integer network.
//
//     features -> hidden -> hidden -> table index of each channel of the group
//
// One such stack per frame type, group and checkerboard phase; the quality enters as a bias of the
// first layer and of the last.
#pragma once

#include <span>
#include <vector>

#include "call.hpp"
#include "entropy/rans.hpp"
#include "entropy/symbols.hpp"
#include "prior/features.hpp"

namespace sc {

inline constexpr int PHASES = 2;
inline constexpr int QUALITY_COUNT = 64;
inline constexpr int MOST_HIDDEN = 1024;

// Weights (inputs, outputs) as the products take them.
struct Layer {
    int inputs = 0;
    int outputs = 0;
    int padded = 0;  // outputs, up to a multiple of 16
    Aligned<i8> packed;

    Layer() = default;
    explicit Layer(Grid<const i8> weights);
    [[nodiscard]] int quads() const { return (inputs + 3) / 4; }
};

struct Stack {
    Layer first, second, third;
    std::vector<i32> first_bias;   // (64, hidden padded)
    std::vector<i32> second_bias;  // (hidden padded)
    std::vector<i32> base;         // (64, channels of the group padded)

    Stack() = default;
    // Throws std::invalid_argument where shapes or ranges do not fit the group.
    Stack(bool key, int group, Grid<const i8> w1, Grid<const i8> w2, Grid<const i8> w3,
          Grid<const i32> b1, std::span<const i32> b2, Grid<const i32> b3);
};

struct Prior {
    Stack stacks[2][GROUPS][PHASES];  // frame type 0 is the keyframe
};

struct PriorWorkspace {
    FrameFeatures features;
    std::vector<i32> turn;  // blocks whose turn it is
    Aligned<u8> rows;
    std::vector<u8> tables;
    std::vector<i16> values;
    struct Lane {  // of one job of the pool
        Aligned<i32> sums;
        Aligned<u8> hidden, again;
    };
    std::vector<Lane> lanes;
};

// Table indices (count, channels of the group) for rows of features.
void tables_of(const Stack& stack, const u8* rows, int pitch, int count, int quality,
               PriorWorkspace::Lane& lane, u8* out);

// Tables (blocks, 384) of all coded groups; 0 elsewhere. `workspace.features` is described.
void find_tables(const Prior& prior, PriorWorkspace& workspace, Grid<const u8> counts, int quality,
                 Grid<const i16> symbols, Grid<u8> tables, Pool* pool);

// Go through groups and phases in coding order: `visit(group, phase)` finds the blocks whose turn
// it is in workspace.turn, and must leave the symbols of their group in `symbols` before it returns
// (an encoder has them there already).
void walk_rows(PriorWorkspace& workspace, Grid<const u8> counts, Grid<const i16> symbols,
               Call<int, int> visit);

// Read all symbols (blocks, 384), which are zero on entry. Throws Damaged.
void read_symbols(const Prior& prior, PriorWorkspace& workspace, RansReader& reader,
                  Cumulative cumulative, Grid<const u8> counts, int quality, Grid<i16> symbols,
                  Pool* pool);

}  // namespace sc
