// SPDX-License-Identifier: Apache-2.0
// Symbol tables: 64 integer distributions of a symbol's magnitude, and coding by them.
//
// A table is a cumulative row of 17 integers from 0 to 2**15: magnitudes 0 to 14 and "15 or more".
// The sign of a magnitude above zero is one raw bit. What is above 15 follows as an Exp-Golomb code
// of order 2 in raw bits, with a prefix of at most 14, so that a symbol always fits 16 bits.
#pragma once

#include "entropy/rans.hpp"
#include "tables.hpp"

namespace sc {

inline constexpr int ESCAPE = MAGNITUDES - 1;
using Cumulative = const u16 (*)[MAGNITUDES + 1];  // TABLES rows

// Fill `out` with `count` symbols, each by its own table. Throws Damaged when an escape is longer
// than any encoder writes, or the payload's words are used up; Outside for a table that is not there.
void get_symbols(RansReader& reader, const u8* tables, int count, Cumulative cumulative, i16* out);

// All symbols of a frame, (blocks, 384) as are their tables, in the order in which a decoder asks for
// them, from the last to the first: by group, then the blocks of either colour of a chess board.
// Throws Outside for a table that is not there.
void put_groups(Backwards& out, Grid<const u8> counts, const i16* symbols, const u8* tables,
                Cumulative cumulative);

}  // namespace sc
