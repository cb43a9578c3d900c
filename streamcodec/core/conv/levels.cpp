// SPDX-License-Identifier: Apache-2.0
#include "conv/levels.hpp"

#include <algorithm>

#include "entropy/binary.hpp"
#include "entropy/damaged.hpp"
#include "kernels.hpp"

namespace sc {
namespace {

constexpr int WHICH = 3;      // contexts: after those that say whether an area is corrected
constexpr int OF_KIND = 8;
// What levels must gain beyond their own bits: packets grow by words, and a picture that is changed a
// little everywhere is copied less well. Of 0, 24 and 64 the best on clips held out of training.
constexpr double LEAST_GAIN_BITS = 24;
constexpr int ROUNDS = 3;     // of choosing, each by the prices that the one before ended with

// Of luma, then of chroma. Fresh in every frame.
struct LevelContexts {
    Context at[2 * OF_KIND];
};

// How many of the areas left and above are corrected.
int around(Grid<const u8> levels, int down, int across) {
    return (across > 0 && levels(down, across - 1) > 0) + (down > 0 && levels(down - 1, across) > 0);
}

// Go through the areas that carry levels in the order of coding: `each(kind, down, across, first)`
// has the first of the contexts mixed for the area's level.
template <class Each>
void traverse(Grid<const u8> areas, const ByKind<const u8>& levels, const Each& each) {
    for (int kind = 0; kind < 2; ++kind)
        for (int down = 0; down < areas.rows; ++down)
            for (int across = 0; across < areas.columns; ++across)
                if (areas(down, across))
                    each(kind, down, across, OF_KIND * kind + around(levels[kind], down, across));
}

int price_of(const LevelContexts& contexts, int first, int level) {
    const int bits_q8 = bit_cost_q8(contexts.at[first], level > 0);
    return level ? bits_q8 + bit_cost_q8(contexts.at[first + WHICH], level > 1) : bits_q8;
}

void learn(LevelContexts& contexts, int first, int level) {
    adapt(contexts.at[first], level > 0);
    if (level) adapt(contexts.at[first + WHICH], level > 1);
}

// One choice for all areas, area by area; the prices are those that `learnt` ended with, or those of
// the contexts as they are when the area's turn comes. Returns errors and true bits together, in
// squared errors of luma, and the bits.
struct Chosen {
    double cost = 0;
    double bits = 0;
};

Chosen choose_once(const Saved& saved, Grid<const u8> areas, const double (&bit_price)[2],
                   const ByKind<u8>& levels, const LevelContexts* learnt, LevelContexts& contexts) {
    Chosen all;
    const ByKind<const u8> known = {levels[0], levels[1]};
    traverse(areas, known, [&](int kind, int down, int across, int first) {
        const LevelContexts& prices = learnt != nullptr ? *learnt : contexts;
        int best = 0;
        double lowest = bit_price[kind] * price_of(prices, first, 0);
        for (int level = 1; level <= MOST_LEVEL; ++level) {
            const i64 spared = saved.by_level[level - 1][kind](down, across);
            if (spared <= 0) continue;
            const double cost = bit_price[kind] * price_of(prices, first, level) -
                                256.0 * static_cast<double>(spared);
            if (cost < lowest) best = level, lowest = cost;
        }
        levels[kind](down, across) = static_cast<u8>(best);
        const int bits_q8 = price_of(contexts, first, best);
        all.bits += bits_q8 / 256.0;
        all.cost += bit_price[kind] * bits_q8 / 256.0;
        if (best) all.cost -= static_cast<double>(saved.by_level[best - 1][kind](down, across));
        learn(contexts, first, best);
    });
    return all;
}

}  // namespace

bool acts(const Blocks& blocks, int row, int column) {
    if (blocks.counts(row, column) > 0 || blocks.modes(row, column) >= INTRA16) return true;
    const Vector none{};
    for (int k = 0; k < 4; ++k)
        if (blocks.field(2 * row + k / 2, 2 * column + k % 2) != none) return true;
    return false;
}

void find_areas(const Blocks& blocks, Grid<u8> areas) {
    for (int down = 0; down < areas.rows; ++down)
        std::fill_n(areas.row(down), areas.columns, u8{0});
    for (int row = 0; row < blocks.rows(); ++row)
        for (int column = 0; column < blocks.columns(); ++column)
            areas(row / AREA_BLOCKS, column / AREA_BLOCKS) |= acts(blocks, row, column);
}

void find_saved(ConstPlanes source, ConstPlanes picture, PlanesOf<const i16> added,
                const Blocks& blocks, const Saved& saved, Pool* pool) {
    const Grid<const u8> wanted[3] = {source.y, source.u, source.v};
    const Grid<const u8> shown[3] = {picture.y, picture.u, picture.v};
    const Grid<const i16> more[3] = {added.y, added.u, added.v};
    run_jobs(pool, saved.by_level[0][0].rows, [&](int down) {
        for (const ByKind<i64>& level : saved.by_level)
            for (const Grid<i64>& kind : level) std::fill_n(kind.row(down), kind.columns, i64{0});
        const int last = std::min(AREA_BLOCKS * (down + 1), blocks.rows());
        for (int row = AREA_BLOCKS * down; row < last; ++row) {
            for (int column = 0; column < blocks.columns(); ++column) {
                if (!acts(blocks, row, column)) continue;
                for (int k = 0; k < 3; ++k) {
                    const int side = k ? 8 : 16;
                    i32 spared[2];
                    kernels().conv->saved(wanted[k].row(side * row) + side * column,
                                          shown[k].row(side * row) + side * column,
                                          more[k].row(side * row) + side * column, side,
                                          {wanted[k].pitch, shown[k].pitch, more[k].pitch}, spared);
                    for (int level = 0; level < MOST_LEVEL; ++level)
                        saved.by_level[level][k > 0](down, column / AREA_BLOCKS) += spared[level];
                }
            }
        }
    });
}

double choose_levels(const Saved& saved, Grid<const u8> areas, const double (&bit_price)[2],
                     const ByKind<u8>& levels) {
    const std::size_t size = static_cast<std::size_t>(areas.rows) * areas.columns;
    std::vector<u8> tried(2 * size, 0);
    const ByKind<u8> own = {{tried.data(), areas.rows, areas.columns},
                            {tried.data() + size, areas.rows, areas.columns}};
    for (const Grid<u8>& kind : levels)
        for (int down = 0; down < kind.rows; ++down) std::fill_n(kind.row(down), kind.columns, u8{0});
    // With all levels 0 nothing is coded.
    Chosen best{.cost = -LEAST_GAIN_BITS * bit_price[0], .bits = 0};
    LevelContexts learnt;
    for (int round = 0; round < ROUNDS; ++round) {
        LevelContexts contexts;
        const Chosen found =
            choose_once(saved, areas, bit_price, own, round ? &learnt : nullptr, contexts);
        learnt = contexts;
        if (found.cost >= best.cost) continue;
        best = found;
        for (int kind = 0; kind < 2; ++kind)
            for (int down = 0; down < areas.rows; ++down)
                std::copy_n(own[kind].row(down), areas.columns, levels[kind].row(down));
    }
    return best.bits;
}

void write_levels(Intervals& out, Grid<const u8> areas, const ByKind<const u8>& levels) {
    LevelContexts contexts;
    traverse(areas, levels, [&](int kind, int down, int across, int first) {
        const int level = levels[kind](down, across);
        put_bit(out, contexts.at[first], level > 0);
        if (level) put_bit(out, contexts.at[first + WHICH], level > 1);
    });
}

void read_levels(RansReader& reader, Grid<const u8> areas, const ByKind<u8>& levels) {
    LevelContexts contexts;
    RansState stream = reader.state;
    const ByKind<const u8> known = {levels[0], levels[1]};
    traverse(areas, known, [&](int kind, int down, int across, int first) {
        int level = get_bit(stream, contexts.at[first]);
        if (level) level += get_bit(stream, contexts.at[first + WHICH]);
        levels[kind](down, across) = static_cast<u8>(level);
    });
    reader.state = stream;
    if (stream.overrun) throw Damaged("its corrections");
}

void add_correction(Planes picture, PlanesOf<const i16> added, const Blocks& blocks,
                    const ByKind<const u8>& levels, Pool* pool) {
    const Grid<u8> shown[3] = {picture.y, picture.u, picture.v};
    const Grid<const i16> more[3] = {added.y, added.u, added.v};
    run_jobs(pool, blocks.rows(), [&](int row) {
        for (int column = 0; column < blocks.columns(); ++column) {
            if (!acts(blocks, row, column)) continue;
            for (int k = 0; k < 3; ++k) {
                const int level = levels[k > 0](row / AREA_BLOCKS, column / AREA_BLOCKS);
                if (level == 0) continue;
                const int side = k ? 8 : 16;
                kernels().conv->add(shown[k].row(side * row) + side * column, shown[k].pitch,
                                    more[k].row(side * row) + side * column, more[k].pitch, side,
                                    level);
            }
        }
    });
}

}  // namespace sc
