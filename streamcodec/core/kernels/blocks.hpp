// SPDX-License-Identifier: Apache-2.0
// Inner loops of transforms, quantisation and intra prediction.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sc {

struct BlockKernels {
    // source - guess of a size x size square (8 or 16) as floats with this row pitch; returns
    // whether any differs.
    bool (*subtract)(const uint8_t* source, ptrdiff_t source_pitch, const uint8_t* guess,
                     ptrdiff_t guess_pitch, int size, float* out, int out_pitch);
    // DCT of 16x16 floats, frequencies row by row.
    void (*forward16)(const float* samples, float* out);
    // DCT of 8x8 floats with this row pitch.
    void (*forward8)(const float* samples, int pitch, float* out);
    // Four DCTs of 4x4 of an 8x8 quarter with this row pitch; out gets one square after the other.
    void (*forward4s)(const float* samples, int pitch, float* out);
    // DCT of 4x4 floats, row by row.
    void (*forward4)(const float* samples, float* out);
    // transform.hpp: level_bits; `count` is a multiple of 16.
    float (*level_bits)(const float* levels, int count, float inverse_step);
    // The first `count` levels with a fixed rounding offset; returns whether any is not zero.
    bool (*plain)(const float* coefficients, const float* inverse_steps, int count, float rounding,
                  int most, int16_t* symbols);
    // How many groups of 384 coefficients have one that `plain` does not make zero.
    int (*groups)(const float* coefficients, const float* inverse_steps, float rounding);
    // Which of the first `count` coefficients round to at least one step; returns how many. Both
    // this and the next may write to all of channels[384].
    int (*large)(const float* coefficients, const float* inverse_steps, int count,
                 uint16_t* channels);
    // Which of the first `count` symbols (6, 24, 96 or 384, in a row of 384) are not zero; returns
    // how many.
    int (*nonzero)(const int16_t* symbols, int count, uint16_t* channels);
    // Sum of prices[tables[c] & 63], each below 2**15, over c from 0 to `count`.
    int (*sum_prices)(const uint8_t* tables, int count, const uint16_t* prices);
    // Add the inverse DCT of a square of coefficients in 1/8 units (row pitch 16, 8 or 4) to
    // samples, clipped. Beyond the first `rows` and `columns` all are zero.
    void (*add16)(const int32_t* work, int rows, int columns, uint8_t* out, ptrdiff_t pitch);
    void (*add8)(const int32_t* work, int rows, int columns, uint8_t* out, ptrdiff_t pitch);
    void (*add4)(const int32_t* work, uint8_t* out, ptrdiff_t pitch);
    // Add 4x4 differences in 1/8 units to samples, clipped.
    void (*add_plain4)(const int32_t* work, uint8_t* out, ptrdiff_t pitch);
    // intra.hpp: predict, `mode` 0 to 34, `size` 4, 8 or 16.
    void (*predict)(const uint8_t* edge, int size, int mode, uint8_t* out, ptrdiff_t pitch);
};

}  // namespace sc
