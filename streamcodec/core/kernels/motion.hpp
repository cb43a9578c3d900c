// SPDX-License-Identifier: Apache-2.0
// What the motion search asks of samples: differences, estimated costs, quarter-sample shifts.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sc {

// Tiles in which the shifts of a reference are made.
inline constexpr int TILE_ROWS = 16;
inline constexpr int TILE_COLUMNS = 64;

// Estimated cost of a Hadamard coefficient `a` in 1/16 bit: the less of dropped * a * a and
// coded * a, where `a` is 8 times its orthonormal size.
struct BitWeights {
    float dropped;
    float coded;
};

// `source` is a block of 16 rows of 16 samples, one after the other (its quarters have that pitch,
// too); the others have `pitch`.
struct MotionKernels {
    // Sums of absolute differences of a 16x16 and an 8x8 block.
    int (*sad16)(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch);
    int (*sad8)(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch);
    // The same for four others at once.
    void (*sad16_of_four)(const uint8_t* source, const uint8_t* const* others, ptrdiff_t pitch,
                          int* out);
    void (*sad8_of_four)(const uint8_t* source, const uint8_t* const* others, ptrdiff_t pitch,
                         int* out);
    // Sum of absolute differences of a block of `size` and the means of two others, rounded up.
    int (*sad_of_mean)(const uint8_t* source, const uint8_t* a, const uint8_t* b, ptrdiff_t pitch,
                       int size);
    // Sum of squared differences of a 16x16 block.
    int (*squared16)(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch);
    // Estimated cost of coding the differences, in 1/16 bit: each 8x8's, rounded down, summed.
    int (*hadamard16)(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch, BitWeights bit_weights);
    int (*hadamard8)(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch, BitWeights bit_weights);
    // Means of the samples of two blocks, rounded up: `out` has rows of 16.
    void (*mean)(const uint8_t* a, const uint8_t* b, ptrdiff_t pitch, int size, uint8_t* out);
    // All shifts of a tile of TILE_ROWS x TILE_COLUMNS: `whole` is its first sample in the plane of
    // whole samples, planes[4 * fy + fx] its first sample in the others. Reads 3 samples before and
    // 4 beyond the tile.
    void (*shift_tile)(const uint8_t* whole, ptrdiff_t pitch, uint8_t* const* planes);
    // The three of half samples alone: planes 2, 8 and 10.
    void (*halve_tile)(const uint8_t* whole, ptrdiff_t pitch, uint8_t* const* planes);
};

}  // namespace sc
