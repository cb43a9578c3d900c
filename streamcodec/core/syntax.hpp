// SPDX-License-Identifier: Apache-2.0
// Side information of each block: mode, vectors, how many symbols are coded.
//
// Blocks go in raster order. Most decisions are bits that three adaptive contexts estimate together
// (entropy/mixing.hpp), the others have one context (entropy/binary.hpp) or none. Reading and
// writing are one traversal (syntax.cpp); docs/bitstream.md has the same as tables. `count` is how
// many of a block's four symbol groups are coded, from low frequencies up; a block that takes over
// a vector and has none is a *skip*, one bit and a candidate's number.
#pragma once

#include <span>
#include <vector>

#include "contexts.hpp"
#include "entropy/rans.hpp"
#include "grid.hpp"

namespace sc {

// Kinds of the blocks coded so far, which choose the contexts of the next one; kept from frame to
// frame for its memory.
class KindsSoFar {
  public:
    Grid<u8> skips, intras, quarters, candidate_index, merges;
    Grid<u8> sides;    // of the square that a block is part of: 4, 2 or 1
    Grid<u8> empties;  // the square codes no symbols

    // All as before the first block of a picture.
    void start(int rows, int columns);

  private:
    std::vector<u8> cells_;
};

// Fill all of `blocks`. Adapts `contexts`. Throws Damaged when a vector is out of reach, or the
// payload's words are used up; std::invalid_argument when sizes or `known` do not fit.
void read_blocks(RansReader& reader, Contexts contexts, bool key, const Blocks& blocks,
                 const Known& known, KindsSoFar& so_far);

// Append all of `blocks`. Adapts `contexts`. Leaves in `blocks` what a reader will find there: what
// cannot be coded (a split of a block without symbols) becomes 0. Throws std::invalid_argument.
void write_blocks(Intervals& out, Contexts contexts, bool key, const Blocks& blocks,
                  const Known& known, KindsSoFar& so_far);

// Which areas the loop filter touches: luma row by row, then chroma.
void read_areas(RansReader& reader, Contexts contexts, std::span<u8> luma, std::span<u8> chroma);
void write_areas(Intervals& out, Contexts contexts, std::span<const u8> luma,
                 std::span<const u8> chroma);

}  // namespace sc
