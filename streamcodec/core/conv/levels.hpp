// SPDX-License-Identifier: Apache-2.0
// How much of the network's correction each area of 4x4 blocks gets: nothing, half or all, luma and
// chroma apart (docs/bitstream.md, 6a). Chosen by true errors and true bits, written, read, applied.
#pragma once

#include <vector>

#include "entropy/rans.hpp"
#include "grid.hpp"
#include "pool.hpp"

namespace sc {

inline constexpr int AREA_BLOCKS = 4;
inline constexpr int CORRECTION_LEVELS = 3;
inline constexpr int MOST_LEVEL = CORRECTION_LEVELS - 1;

// Levels of luma, then of chroma, each by areas in raster order.
template <class T>
using ByKind = Grid<T>[2];

// Blocks that coded something, are new, or moved: only these are corrected.
bool acts(const Blocks& blocks, int row, int column);
// Which areas have such a block: only these carry levels. `areas` has their size.
void find_areas(const Blocks& blocks, Grid<u8> areas);

// Squared errors that each area would be spared by half and by all of the correction.
struct Saved {
    ByKind<i64> by_level[MOST_LEVEL];
};
void find_saved(ConstPlanes source, ConstPlanes picture, PlanesOf<const i16> added,
                const Blocks& blocks, const Saved& saved, Pool* pool);

// The levels whose squared errors and bits together are lowest, as far as a search in the order of
// coding finds them; all 0 where they save little more than
// they cost. `bit_price` is what a bit costs in
// squared errors, of luma and of chroma. No area gets a level that leaves it farther from its
// source. Returns the bits of the levels, 0 where all are 0: such a frame need not say them.
double choose_levels(const Saved& saved, Grid<const u8> areas, const double (&bit_price)[2],
                     const ByKind<u8>& levels);

void write_levels(Intervals& out, Grid<const u8> areas, const ByKind<const u8>& levels);
// Throws Damaged.
void read_levels(RansReader& reader, Grid<const u8> areas, const ByKind<u8>& levels);

// Add each area's share of the correction.
void add_correction(Planes picture, PlanesOf<const i16> added, const Blocks& blocks,
                    const ByKind<const u8>& levels, Pool* pool);

}  // namespace sc
