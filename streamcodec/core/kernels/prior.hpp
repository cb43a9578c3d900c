// SPDX-License-Identifier: Apache-2.0
// Products of the prior: bytes 0..127 times weights -127..127, sums in 32 bits, exact.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sc {

// Up to where weights and rows must reach.
constexpr int padded_quads(int quads) { return (quads + 15) / 16 * 16; }

struct PriorKernels {
    // sums[i * outputs + o] = sum over k of rows[i * pitch + k] * weights[k][o], for `count` rows.
    //
    // Weights are packed by fours of inputs: packed[(k / 4 * outputs + o) * 4 + k % 4]; `quads` is
    // the number of fours, `outputs` a multiple of 16. Inputs are 0..127. Fours come sixteen at a
    // time at some levels: weights are zero, and rows readable, up to `padded_quads`.
    void (*product)(const uint8_t* rows, ptrdiff_t pitch, int count, int quads,
                    const int8_t* packed, int outputs, int32_t* sums);
    // out = clamp((sums + bias + 32) >> 6, 0, 127) for `count` values.
    void (*activate)(const int32_t* sums, const int32_t* bias, int count, uint8_t* out);
    // out = clamp((sums + base + 128) >> 8, 0, 63) for `count` values.
    void (*table_indices)(const int32_t* sums, const int32_t* base, int count, uint8_t* out);
    // out = min(15, 16 * |values| / unit), rounded down; |values| is below 2**23, unit below 2**27.
    void (*levels)(const int32_t* values, int count, int32_t unit, uint8_t* out);
    // out[o] = sum over k of inputs[k] * basis[k][o], `size` of both, a multiple of 16. The basis is
    // packed by twos of inputs: packed[(k / 2 * size + o) * 2 + k % 2]; sums stay below 2**31.
    void (*product16)(const int16_t* inputs, const int16_t* packed, int size, int32_t* out);
};

}  // namespace sc
