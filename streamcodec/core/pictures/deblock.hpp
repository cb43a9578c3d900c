// SPDX-License-Identifier: Apache-2.0
// Deblocking: smooths steps at block edges that the quantiser made, leaves real edges alone.
//
// An edge is filtered where a block beside it has symbols, is intra, or moves differently. Samples
// p1 p0 | q0 q1 move by a clipped (9 (q0 - p0) - 3 (q1 - p1) + 8) / 16 (the weak filter of ITU-T
// H.265, 8.7.2) when both sides are smoother than thresholds that grow with the step.
//
// Columns first, then rows. Edges are eight samples apart, each reads three samples on either side
// and writes two: no edge of one direction reads what another one of it writes, so that their order
// does not matter. An edge between rows needs the edges between columns of the eight rows above and
// below it, and nothing else: rows of cells follow one another, and bands of them are independent
// but for the edges at their borders, which come last.
#pragma once

#include "grid.hpp"
#include "pool.hpp"

namespace sc {

// Strengths 0 to 2 of the edges at the left and at the top of a row of 8x8 cells.
void edge_strengths(const Blocks& blocks, int row, u8* left, u8* top);

// Deblock a decoded picture in place; sides are multiples of 16 (chroma 8).
void deblock(const Blocks& blocks, int step_q3, int chroma_step_q3, Planes planes, Pool* pool);

}  // namespace sc
