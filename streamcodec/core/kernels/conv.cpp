// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv.hpp"

#include "kernels/bytes.hpp"
#include "kernels/tiles.hpp"

namespace sc::SC_LEVEL {
namespace {

// One cell's outputs. Copies to and from memory of its own let a compiler see that nothing overlaps.
SC_INLINE void finish_cell(const ConvFinish& to, int cell, const int32_t* sums) {
    int32_t value[CONV_OUTPUTS], shift[CONV_OUTPUTS];
    memcpy(shift, to.shift, sizeof shift);
    for (int o = 0; o < CONV_OUTPUTS; ++o) value[o] = sums[o] + to.bias[o];
    if (to.skip != nullptr) {
        uint8_t skip[CONV_OUTPUTS];
        memcpy(skip, to.skip + cell * to.skip_step, sizeof skip);
        for (int o = 0; o < CONV_OUTPUTS; ++o) value[o] += skip[o] << shift[o];
    }
    uint8_t out[CONV_OUTPUTS];
    const int low = to.low;
    for (int o = 0; o < CONV_OUTPUTS; ++o) {
        const int32_t odd = (value[o] >> shift[o]) & to.odd[o];
        const int32_t rounded = (value[o] + to.half[o] + odd) >> shift[o];
        out[o] = static_cast<uint8_t>(clip(rounded, low, 127));
    }
    memcpy(to.out + cell * to.out_step, out, sizeof out);
}

#if defined(SC_TILES)

template <bool TWO_ROWS>
SC_INLINE void cells(const ConvRow& row, int cell, int count, const int8_t* tiles,
                     const ConvFinish& to) {
    clear_sums();
    for (int run = 0; run < row.runs; ++run) {
        const uint8_t* from = row.first[run] + cell * row.step[run];
        for (int quad = 0; quad < row.quads[run]; quad += TILE_QUADS) {
            add_tile<TWO_ROWS, true>(from + 4 * quad, row.step[run], tiles, 4 * CONV_OUTPUTS);
            tiles += TILE_QUADS * 4 * CONV_OUTPUTS;
        }
    }
    alignas(64) int32_t sums[(TWO_ROWS ? 2 : 1) * TILE_SIDE][CONV_OUTPUTS];
    store_tiles<TWO_ROWS, true>(sums[0], CONV_OUTPUTS);
    for (int i = 0; i < count; ++i) finish_cell(to, cell + i, sums[i]);
}

void convolve(const ConvRow& row, const ConvPacked& weights, const ConvFinish& finish) {
    int cell = 0;
    {
        const Tiles whole;
        for (; cell + 2 * TILE_SIDE <= row.count; cell += 2 * TILE_SIDE)
            cells<true>(row, cell, 2 * TILE_SIDE, weights.tiles, finish);
        for (; cell + TILE_SIDE <= row.count; cell += TILE_SIDE)
            cells<false>(row, cell, TILE_SIDE, weights.tiles, finish);
    }
    const int left = row.count - cell;
    if (left == 0) return;
    const Tiles few(left);
    cells<false>(row, cell, left, weights.tiles, finish);
}

#else

constexpr int WIDE = 2;  // vectors of outputs at once
#if defined(__AVX512BW__)
constexpr int CELLS = 8;
#else
constexpr int CELLS = 4;
#endif

template <int COUNT>
SC_INLINE void cells(const ConvRow& row, int cell, const int8_t* packed, const ConvFinish& to) {
    int32_t sums[COUNT][CONV_OUTPUTS];
    for (int o = 0; o < CONV_OUTPUTS; o += WIDE * LANES) {
        Sums total[COUNT][WIDE];
        for (int i = 0; i < COUNT; ++i)
            for (int w = 0; w < WIDE; ++w) total[i][w] = zero_sums();
        const int8_t* weights = packed + o * 4;
        for (int run = 0; run < row.runs; ++run) {
            const uint8_t* from = row.first[run] + cell * row.step[run];
            const ptrdiff_t step = row.step[run];
            for (int quad = 0; quad < row.quads[run]; ++quad, weights += 4 * CONV_OUTPUTS) {
                Sums column[WIDE];
                for (int w = 0; w < WIDE; ++w) column[w] = load_sums(weights + w * LANES * 4);
                for (int i = 0; i < COUNT; ++i) {
                    const Sums inputs = spread(quad_at(from + i * step, quad));
                    for (int w = 0; w < WIDE; ++w)
                        total[i][w] = add_products(total[i][w], inputs, column[w]);
                }
            }
        }
        for (int i = 0; i < COUNT; ++i)
            for (int w = 0; w < WIDE; ++w) store_sums(&sums[i][o + w * LANES], total[i][w]);
    }
    for (int i = 0; i < COUNT; ++i) finish_cell(to, cell + i, sums[i]);
}

void convolve(const ConvRow& row, const ConvPacked& weights, const ConvFinish& finish) {
    const int8_t* packed = weights.packed;
    int cell = 0;
    for (; cell + CELLS <= row.count; cell += CELLS) cells<CELLS>(row, cell, packed, finish);
    for (; cell + 2 <= row.count; cell += 2) cells<2>(row, cell, packed, finish);
    for (; cell < row.count; ++cell) cells<1>(row, cell, packed, finish);
}

#endif

void scaled(const uint8_t* __restrict samples, const int32_t* __restrict less, int times, int count,
            int factor, int bits, uint8_t* __restrict out) {
    const int32_t half = 1 << (bits - 1);
    for (int i = 0; i < count; ++i) {
        const int32_t value = ((samples[i] * times - less[i]) * factor + half) >> bits;
        out[i] = static_cast<uint8_t>(64 + clip(value, -64, 63));
    }
}

void sixteenths(const int8_t* __restrict values, int count, int step_q3, int16_t* __restrict out) {
    for (int i = 0; i < count; ++i)
        out[i] = static_cast<int16_t>((values[i] * step_q3 + 16) >> 5);
}

SC_INLINE int32_t with_share(int32_t sample, int32_t added, int level) {
    return clip((32 * sample + added * level + 16) >> 5, 0, 255);
}

template <int SIDE>
SC_INLINE void saved_of(const uint8_t* source, const uint8_t* picture, const int16_t* added,
                        const ptrdiff_t (&pitches)[3], int32_t (&saved)[2]) {
    int32_t sums[3] = {0, 0, 0};
    for (int y = 0; y < SIDE; ++y) {
        const uint8_t* wanted = source + y * pitches[0];
        const uint8_t* shown = picture + y * pitches[1];
        const int16_t* more = added + y * pitches[2];
        for (int x = 0; x < SIDE; ++x) {
            const int32_t none = wanted[x] - shown[x];
            const int32_t half = wanted[x] - with_share(shown[x], more[x], 1);
            const int32_t all = wanted[x] - with_share(shown[x], more[x], 2);
            sums[0] += none * none;
            sums[1] += half * half;
            sums[2] += all * all;
        }
    }
    saved[0] = sums[0] - sums[1];
    saved[1] = sums[0] - sums[2];
}

void saved(const uint8_t* source, const uint8_t* picture, const int16_t* added, int side,
           const ptrdiff_t (&pitches)[3], int32_t (&out)[2]) {
    if (side == 16) {
        saved_of<16>(source, picture, added, pitches, out);
    } else {
        saved_of<8>(source, picture, added, pitches, out);
    }
}

void add(uint8_t* picture, ptrdiff_t pitch, const int16_t* added, ptrdiff_t added_pitch, int side,
         int level) {
    for (int y = 0; y < side; ++y) {
        uint8_t* shown = picture + y * pitch;
        const int16_t* more = added + y * added_pitch;
        for (int x = 0; x < side; ++x)
            shown[x] = static_cast<uint8_t>(with_share(shown[x], more[x], level));
    }
}

}  // namespace

extern const ConvKernels conv_kernels;
const ConvKernels conv_kernels = {convolve, scaled, sixteenths, saved, add};

}  // namespace sc::SC_LEVEL
