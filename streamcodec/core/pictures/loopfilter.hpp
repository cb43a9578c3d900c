// SPDX-License-Identifier: Apache-2.0
// The loop filter: a classified linear filter whose weights were fitted by least squares.
//
// After deblocking, every sample of a block that coded something (or is intra) moves by a weighed
// sum of its differences to the 12 neighbours in a diamond of radius 2 (six point-symmetric pairs),
// each difference clipped to the quantiser step so that real edges stay (the idea of VVC's adaptive
// loop filter, M. Karczewicz et al., TCSVT 2021). Each 4x4 square picks its weights by how busy it
// is and which way. The encoder switches luma and chroma for areas of 64x64 luma samples by true
// distortion. What it reads is the picture before filtering, so that areas do not depend on one
// another.
#pragma once

#include <vector>

#include "grid.hpp"
#include "pool.hpp"

namespace sc {

inline constexpr int FILTER_PAIRS = 6;
inline constexpr int FILTER_CLASSES = 15;  // 5 levels of activity x 3 directions
inline constexpr int AREA_BLOCKS = 4;      // an area is 4x4 blocks of 16x16

// Luma first, chroma second.
struct LoopFilter {
    int steps_q3[2];
    i16 weights[2][FILTER_CLASSES][FILTER_PAIRS];
};

// Which areas are filtered; chroma's flag is shared by both planes.
struct Areas {
    Grid<u8> luma, chroma;
};
inline int areas_of(int blocks) { return (blocks + AREA_BLOCKS - 1) / AREA_BLOCKS; }

// Memory that is kept from frame to frame: the planes before filtering, with repeated edges.
struct FilterWorkspace {
    std::vector<u8> copies[3];
};

// Filter the flagged areas of all planes in place.
void filter_rebuild(Planes planes, const Areas& areas, const Blocks& blocks,
                    const LoopFilter& filter, FilterWorkspace& workspace, Pool* pool);

// Filter where that lowers the squared error of an area by more than `least_gain` (luma, chroma);
// sets the flags.
void filter_search(ConstPlanes source, Planes planes, const Blocks& blocks,
                   const LoopFilter& filter, const i64 (&least_gain)[2], const Areas& areas,
                   FilterWorkspace& workspace, Pool* pool);

// For training: add a plane's normal equations. A block has `block_px` samples a side in it.
struct FilterSums {
    double* squares;   // (FILTER_CLASSES, 6, 6)
    double* products;  // (FILTER_CLASSES, 6)
};
void filter_accumulate(Grid<const u8> plane, Grid<const u8> source, Grid<const u8> counts,
                       Grid<const u8> modes, int step_q3, FilterSums sums);

}  // namespace sc
