// SPDX-License-Identifier: Apache-2.0
#include "kernels/prior.hpp"

#include "kernels/bytes.hpp"
#include "kernels/tiles.hpp"

namespace sc::SC_LEVEL {
namespace {

#if defined(SC_TILES)

template <bool TWO_ROWS, bool TWO>
SC_INLINE void by_tiles(const uint8_t* rows, ptrdiff_t pitch, int quads, const int8_t* packed,
                        int outputs, int32_t* sums) {
    clear_sums();
    for (int quad = 0; quad < quads; quad += TILE_QUADS)
        add_tile<TWO_ROWS, TWO>(rows + 4 * quad, pitch,
                                packed + static_cast<ptrdiff_t>(quad) * outputs * 4, outputs * 4);
    store_tiles<TWO_ROWS, TWO>(sums, outputs);
}

template <bool TWO_ROWS>
SC_INLINE void all_outputs(const uint8_t* rows, ptrdiff_t pitch, int quads, const int8_t* packed,
                           int outputs, int32_t* sums) {
    int o = 0;
    for (; o + 2 * TILE_SIDE <= outputs; o += 2 * TILE_SIDE)
        by_tiles<TWO_ROWS, true>(rows, pitch, quads, packed + o * 4, outputs, sums + o);
    if (o < outputs)
        by_tiles<TWO_ROWS, false>(rows, pitch, quads, packed + o * 4, outputs, sums + o);
}

void product(const uint8_t* rows, ptrdiff_t pitch, int count, int quads, const int8_t* packed,
             int outputs, int32_t* sums) {
    int i = 0;
    {
        const Tiles whole;
        for (; i + 2 * TILE_SIDE <= count; i += 2 * TILE_SIDE)
            all_outputs<true>(rows + i * pitch, pitch, quads, packed, outputs, sums + i * outputs);
        for (; i + TILE_SIDE <= count; i += TILE_SIDE)
            all_outputs<false>(rows + i * pitch, pitch, quads, packed, outputs, sums + i * outputs);
    }
    if (i == count) return;
    const Tiles few(count - i);
    all_outputs<false>(rows + i * pitch, pitch, quads, packed, outputs, sums + i * outputs);
}

#else

// ROWS rows at once against WIDE vectors of outputs.
template <int ROWS, int WIDE>
SC_INLINE void tile(const uint8_t* rows, ptrdiff_t pitch, int quads, const int8_t* packed,
                    int outputs, int32_t* sums) {
    Sums total[ROWS][WIDE];
    for (int i = 0; i < ROWS; ++i)
        for (int w = 0; w < WIDE; ++w) total[i][w] = zero_sums();
    for (int quad = 0; quad < quads; ++quad) {
        const int8_t* weights = packed + static_cast<ptrdiff_t>(quad) * outputs * 4;
        Sums column[WIDE];
        for (int w = 0; w < WIDE; ++w) column[w] = load_sums(weights + w * LANES * 4);
        for (int i = 0; i < ROWS; ++i) {
            const Sums inputs = spread(quad_at(rows + i * pitch, quad));
            for (int w = 0; w < WIDE; ++w)
                total[i][w] = add_products(total[i][w], inputs, column[w]);
        }
    }
    for (int i = 0; i < ROWS; ++i)
        for (int w = 0; w < WIDE; ++w) store_sums(sums + i * outputs + w * LANES, total[i][w]);
}

// Two vectors of outputs at once: the weights of so few outputs stay in the nearest cache while all
// rows pass by.
constexpr int WIDE = 2;
#if defined(__AVX512BW__)
constexpr int ROWS = 8;
#else
constexpr int ROWS = 4;
#endif

void product(const uint8_t* rows, ptrdiff_t pitch, int count, int quads, const int8_t* packed,
             int outputs, int32_t* sums) {
    int o = 0;
    for (; o + WIDE * LANES <= outputs; o += WIDE * LANES) {
        int i = 0;
        for (; i + ROWS <= count; i += ROWS)
            tile<ROWS, WIDE>(rows + i * pitch, pitch, quads, packed + o * 4, outputs,
                             sums + i * outputs + o);
        for (; i < count; ++i)
            tile<1, WIDE>(rows + i * pitch, pitch, quads, packed + o * 4, outputs,
                          sums + i * outputs + o);
    }
    for (; o < outputs; o += LANES) {
        int i = 0;
        for (; i + ROWS <= count; i += ROWS)
            tile<ROWS, 1>(rows + i * pitch, pitch, quads, packed + o * 4, outputs,
                          sums + i * outputs + o);
        for (; i < count; ++i)
            tile<1, 1>(rows + i * pitch, pitch, quads, packed + o * 4, outputs,
                       sums + i * outputs + o);
    }
}

#endif

void activate(const int32_t* sums, const int32_t* bias, int count, uint8_t* out) {
    for (int i = 0; i < count; ++i)
        out[i] = static_cast<uint8_t>(clip((sums[i] + bias[i] + 32) >> 6, 0, 127));
}

void table_indices(const int32_t* sums, const int32_t* base, int count, uint8_t* out) {
    for (int i = 0; i < count; ++i)
        out[i] = static_cast<uint8_t>(clip((sums[i] + base[i] + 128) >> 8, 0, 63));
}

// A quotient of floats may be off by one: the rest says so.
void levels(const int32_t* __restrict values, int count, int32_t unit, uint8_t* __restrict out) {
    const float inverse = 16.0f / static_cast<float>(unit);
    for (int i = 0; i < count; ++i) {
        const int32_t size = values[i] < 0 ? -values[i] : values[i];
        const float guess = static_cast<float>(size) * inverse;
        int32_t level = static_cast<int32_t>(guess < 15.0f ? guess : 15.0f);
        const int32_t rest = 16 * size - level * unit;
        level += (rest >= unit) - (rest < 0);
        out[i] = static_cast<uint8_t>(level < 15 ? level : 15);
    }
}

constexpr int STEP = 16 / LANES;

void product16(const int16_t* inputs, const int16_t* packed, int size, int32_t* out) {
    for (int o = 0; o < size; o += 16) {
        Sums total[STEP];
        for (int w = 0; w < STEP; ++w) total[w] = zero_sums();
        for (int pair = 0; pair < size / 2; ++pair) {
            int32_t both;
            memcpy(&both, inputs + 2 * pair, 4);
            const Sums two = spread(both);
            const int16_t* weights = packed + (pair * size + o) * 2;
            for (int w = 0; w < STEP; ++w)
                total[w] = add_pairs(
                    total[w], two,
                    load_sums(weights + w * LANES * 2));
        }
        for (int w = 0; w < STEP; ++w) store_sums(out + o + w * LANES, total[w]);
    }
}

}  // namespace

extern const PriorKernels prior_kernels;
const PriorKernels prior_kernels = {product, activate, table_indices, levels, product16};

}  // namespace sc::SC_LEVEL
