// SPDX-License-Identifier: Apache-2.0
// The inter prediction of a whole picture: blocks from the reference, mixed where vectors differ.
#pragma once

#include "grid.hpp"
#include "pool.hpp"

namespace sc {

// Fill `out` with the motion-compensated reference, intra blocks with zeros, then mix
// predictions across vectors that differ (overlapped block motion compensation): along each side of
// an 8x8 cell, the half that lies there takes a share (1/4 at the edge, halving with each row) of
// what the neighbour's vector would predict, in the order left, above, right, below.
// Sides are multiples of 16 (chroma 8), the same for both. A cell reads only the reference and
// vectors, so rows of blocks are independent of one another.
void predict(ConstPlanes reference, const Blocks& blocks, Planes out, Pool* pool);

}  // namespace sc
