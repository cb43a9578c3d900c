// SPDX-License-Identifier: Apache-2.0
// Products of the prior: bytes 0..127 times weights -127..127, sums in 32 bits, exact.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sc {

// Up to where weights and rows must reach.
constexpr int padded_quads(int quads) { return (quads + 15) / 16 * 16; }

// Outputs whose weights lie together; of the last ones sixteen, where no more are left.
constexpr int PANEL = 32;
constexpr int panel_width(int output, int outputs) {
    return outputs - output / PANEL * PANEL < PANEL ? 16 : PANEL;
}
// Where the weight of an input and an output lies.
constexpr ptrdiff_t packed_at(int input, int output, int quads, int outputs) {
    const int first = output / PANEL * PANEL, width = panel_width(output, outputs);
    return (static_cast<ptrdiff_t>(first) * padded_quads(quads) + input / 4 * width + output - first) * 4 +
           input % 4;
}

constexpr int CHANNELS_SHOWN = 384;  // of a block's prediction: luma's 256, two times 64 of chroma

// The transform of blocks of `side` x `side` samples, in two layouts; a place is an output.
struct SpectrumBasis {
    int side;
    const int8_t* bytes;         // packed as weights are
    const int16_t* folded;       // four quarters, each packed by twos of folded samples
    const int8_t* changes[4];    // by sample, of places that are not symmetric; null where there is none
    int tie_places[4];
};

struct PriorKernels {
    // sums[i * outputs + o] = sum over k of rows[i * pitch + k] * weights[k][o], for `count` rows.
    //
    // Weights are packed by PANELs of outputs, so that all that meet are read in one stream, and
    // within one by fours of inputs (`packed_at`); `quads` is the number of fours, `outputs` a
    // multiple of 16. Inputs are 0..127. Fours come sixteen at a time at some levels: weights are
    // zero, and rows readable, up to `padded_quads`.
    void (*product)(const uint8_t* rows, ptrdiff_t pitch, int count, int quads,
                    const int8_t* packed, int outputs, int32_t* sums);
    // out = clamp((sums + bias + 32) >> 6, 0, 127) for `count` values.
    void (*activate)(const int32_t* sums, const int32_t* bias, int count, uint8_t* out);
    // out = clamp((sums + base + 128) >> 8, 0, 63) for `count` values.
    void (*table_indices)(const int32_t* sums, const int32_t* base, int count, uint8_t* out);
    // out = min(15, 16 * |values| / unit), rounded down; |values| is below 2**23, unit below 2**27.
    void (*levels)(const int32_t* values, int count, int32_t unit, uint8_t* out);
    // out = MAGNITUDE[min(levels, 15)] for `count` values.
    void (*magnitudes)(const uint8_t* levels, int count, uint8_t* out);
    // out = min(|symbols|, 15) for `count` values.
    void (*sizes)(const int16_t* symbols, int count, uint8_t* out);
    // out = clamp(from + shift, 0, 63) where `from` is not 0, else `otherwise`, for `count` values.
    void (*shifted_tables)(const uint8_t* from, const uint8_t* otherwise, int shift, int count,
                           uint8_t* out);
    // Sums of samples less 128, as bytes, times the basis, for `count` blocks that lie CHANNELS_SHOWN
    // apart, as their sums do.
    void (*spectra)(const SpectrumBasis& basis, const int8_t* samples, int count, int32_t* out);
};

}  // namespace sc
