// SPDX-License-Identifier: Apache-2.0
// Which contexts are mixed for which bit of a packet's side information, and what bits cost.
//
// The rows of the contexts, and the prices that the encoder's decisions ask. Which rows are mixed
// for which bit is in mixtures.hpp; docs/bitstream.md, section 4, has both as tables.
#pragma once

#include <cstdlib>

#include "entropy/mixing.hpp"
#include "grid.hpp"
#include "motion/field.hpp"

namespace sc {

// Bits whose probability three contexts estimate: how many contexts of each family, and sets of
// weights.
struct Family {
    int sizes[4];
};
inline constexpr int FAMILIES = 13;
namespace family {
enum Name {
    SKIP, WHICH, WHICH_SECOND, INTRA, SPLIT, MERGE, VECTOR,
    COUNT, TRANSFORM, SIGN, UNITED, EMPTY, FINER
};
}
inline constexpr Family MIXED[FAMILIES] = {
    {{6, 16, 72, 3}},       // SKIP
    {{12, 100, 64, 4}},     // WHICH: not the first candidate
    {{6, 50, 128, 2}},      // WHICH_SECOND: not the second one either
    {{3, 16, 15, 1}},       // INTRA
    {{3, 9, 15, 1}},        // SPLIT
    {{9, 27, 45, 3}},       // MERGE
    {{48, 192, 768, 8}},    // VECTOR: magnitude of a difference: zero or not, its length in binary
    {{120, 100, 300, 20}},  // COUNT: more groups than k
    {{12, 24, 20, 2}},      // TRANSFORM
    {{12, 36, 36, 4}},      // SIGN
    {{6, 32, 108, 2}},      // UNITED: a square of blocks with one vector
    {{6, 32, 24, 2}},       // EMPTY: and nothing else
    {{12, 36, 64, 4}},      // FINER: a quarter's transform is finer than 8x8, and then: it has none
};
// Kinds of block: own vector, four, a neighbour's, intra, part of a square with one vector.
enum Kind { WHOLE, QUARTERS, TAKEN, WITHIN, JOINED };

// Single contexts come first.
namespace single {
inline constexpr int KEY_SPLIT = 0;             // 3
inline constexpr int LIKELY = KEY_SPLIT + 3;    // 1
inline constexpr int LIKELY_WHICH = LIKELY + 1; // 2
inline constexpr int MODE = LIKELY_WHICH + 2;   // 32: binary tree of five levels
inline constexpr int FILTER = MODE + 32;        // 2: area filtered, luma and chroma
inline constexpr int TOP = FILTER + 2;          // 8: highest bit of a magnitude below its leading one:
                                                // size of block x length
inline constexpr int END = TOP + 8;
}  // namespace single

// First row of each family's contexts, and of its weights.
struct Bases {
    int first[FAMILIES][4];
    int end;
};
constexpr Bases make_bases() {
    Bases bases{};
    bases.end = single::END;
    for (int family = 0; family < FAMILIES; ++family) {
        for (int part = 0; part < 4; ++part) {
            bases.first[family][part] = bases.end;
            bases.end += MIXED[family].sizes[part] * (part == 3 ? INPUTS : 1);
        }
    }
    return bases;
}
inline constexpr Bases BASES = make_bases();
inline constexpr int CONTEXTS = BASES.end;

// What is known of each block from the reference.
struct Known {
    Grid<const Vector> reference_field;  // (2 rows, 2 columns)
    Grid<const u8> reference_counts;     // (rows, columns), 0 to 4
    int trend = 1;  // 0, 1, 2: the frame is coarser than its reference, as fine, finer
};

// Price in 1/256 bit of each magnitude (beyond the last, the last) of a whole block's vector
// difference, dy and dx.
struct VectorPrices {
    i32 bits_q8[2][1024];
    [[nodiscard]] int of(int dy, int dx) const {
        return bits_q8[0][std::min(std::abs(dy), 1023)] + bits_q8[1][std::min(std::abs(dx), 1023)];
    }
};
void vector_prices(ConstContexts contexts, VectorPrices& out);

// Price in 1/16 bit of taking each candidate; 0 where there is none.
void which_prices(ConstContexts contexts, Grid<const u8> candidate_index, Grid<const Vector> field,
                  Grid<const Vector> reference, const Candidates& candidates, int row, int column,
                  int blocks, int skip, i32 (&out)[MOST_CANDIDATES]);
// Of a square's being coded as one; `sides` are those of the squares known so far.
YesNo united_prices(ConstContexts contexts, Grid<const u8> sides, const Known& known, int row,
                    int column, int blocks);
// Price in 1/256 bit of each count of a block. One that took over a vector (TAKEN) and is no skip
// has at least one group: it does not say so.
void count_prices(ConstContexts contexts, Grid<const u8> counts, const Known& known, int row,
                  int column, int kind, i32 (&out)[GROUPS + 1]);
// Of a block's being a skip.
YesNo skip_prices(ConstContexts contexts, Grid<const u8> skips, const Known& known, int row,
                  int column);

}  // namespace sc
