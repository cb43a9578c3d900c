// SPDX-License-Identifier: Apache-2.0
// Inner loops of the decoder network: convolutions of bytes, its inputs, what it adds to samples.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sc {

inline constexpr int CONV_OUTPUTS = 32;  // outputs that are computed at once

// Cells of one row of a layer, and where each one's inputs lie: up to three runs of bytes 0..127,
// one behind the other in the weights' order. A 3x3 window of cells side by side is three such runs.
struct ConvRow {
    int count;  // cells
    int runs;
    const uint8_t* first[3];
    ptrdiff_t step[3];  // bytes from a cell's run to the next cell's
    int quads[3];       // fours of bytes in a run
};

// Weights are packed by fours of inputs: packed[(k / 4 * CONV_OUTPUTS + o) * 4 + k % 4]. In `tiles`
// each run's fours are padded with zeros to CONV_TILE_QUADS of them: some levels take them so, and
// read as far beyond the last run of a row.
struct ConvPacked {
    const int8_t* packed;
    const int8_t* tiles;
};
inline constexpr int CONV_TILE_QUADS = 16;

// What becomes of CONV_OUTPUTS sums: (sum + bias + (skip << shift)) / 2**shift, rounded to the
// nearest, halves to even, clamped to low..127.
struct ConvFinish {
    const int32_t* bias;
    const int32_t* shift;
    const int32_t* half;  // 2**(shift - 1) - 1, or 0
    const int32_t* odd;   // 1, or 0 where the shift is 0: nothing is rounded then
    int low;
    const uint8_t* skip;  // or null
    ptrdiff_t skip_step;
    uint8_t* out;
    ptrdiff_t out_step;
};

struct ConvKernels {
    void (*convolve)(const ConvRow& row, const ConvPacked& weights, const ConvFinish& finish);
    // out = 64 + clamp(((samples * times - less) * factor + 2**(bits - 1)) >> bits, -64, 63).
    void (*scaled)(const uint8_t* samples, const int32_t* less, int times, int count, int factor,
                   int bits, uint8_t* out);
    // out = (values * step_q3 + 16) >> 5.
    void (*sixteenths)(const int8_t* values, int count, int step_q3, int16_t* out);
    // Squared errors of `side` x `side` samples that half and all of the correction save.
    void (*saved)(const uint8_t* source, const uint8_t* picture, const int16_t* added, int side,
                  const ptrdiff_t (&pitches)[3], int32_t (&saved)[2]);
    // The samples of a square with a level's share of the correction added.
    void (*add)(uint8_t* picture, ptrdiff_t pitch, const int16_t* added, ptrdiff_t added_pitch,
                int side, int level);
};

}  // namespace sc
