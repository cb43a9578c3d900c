// SPDX-License-Identifier: Apache-2.0
// The encoder's block transforms, and the ways in which a block's luma may be transformed
// (transform.py). residual.hpp has the exact inverse.
#pragma once

#include "grid.hpp"

namespace sc {

// How the luma of an 8x8 quarter is transformed: whole, as four 4x4, or not at all. A block's split
// is 0 for one 16x16 transform, else 1 plus the quarters' transforms as digits to the base 3.
enum QuarterKind { EIGHT = 0, FOUR = 1, PLAIN = 2 };
inline constexpr int MAX_SPLIT = 81;

// The kind of a quarter, EIGHT also where the block has one transform.
constexpr int transform_of(int split, int quarter) {
    constexpr int power[4] = {1, 3, 9, 27};
    return split > 1 ? (split - 1) / power[quarter & 3] % 3 : EIGHT;
}
// `split` (at least 1) with the kind of a quarter, EIGHT before, put in.
constexpr int with_transform(int split, int quarter, int kind) {
    constexpr int power[4] = {1, 3, 9, 27};
    return split + kind * power[quarter & 3];
}

// DCT of 8x8 floats with this row pitch; out gets 64, frequencies row by row.
void forward8(const float* samples, int pitch, float* out);

// Rough weighed cost in bits of coefficients (`count` a multiple of 16): dropping one costs
// a**2 / 0.13, coding it about 2.5 + 2 sqrt(a).
float level_bits(const float* levels, int count, float inverse_step);

// The cheapest kind of an 8x8 quarter's differences (row pitch 16) and its rough cost in bits,
// where one 8x8 transform costs `coarse`. Finer transforms must cost clearly less. Where one is
// chosen, `out` (64, if not null) gets its coefficients, one 4x4 square after the other.
struct Finer {
    int kind;
    float bits;
};
Finer finer(const float* samples, float coarse, float inverse_step, float* out = nullptr);

// Bits of a quarter below which no finer kind is tried.
inline constexpr float COARSEST = 12;

// From how many bits on finer transforms are tried: of a block, of one of its quarters.
struct Splitting {
    float apart_from = 20;
    float finer_from = COARSEST;
};

// Transform the 384 samples of a block (luma 16x16, U, V) into channels, luma as `split` says.
void forward(const float* samples, int split, float* channels);
// The same in whichever way is cheapest; returns the split.
int forward_cheapest(const float* samples, float inverse_step, float* channels,
                     Splitting splitting = {});

}  // namespace sc
