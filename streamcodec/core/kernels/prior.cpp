// SPDX-License-Identifier: Apache-2.0
#include "kernels/prior.hpp"

#include "kernels/bytes.hpp"
#include "kernels/spectrum.hpp"
#include "kernels/tiles.hpp"
#include "prior/levels.hpp"

namespace sc::SC_LEVEL {
namespace {

#if defined(SC_TILES)

template <bool TWO_ROWS, bool TWO>
SC_INLINE void by_tiles(const uint8_t* rows, ptrdiff_t pitch, int quads, const int8_t* packed,
                        int outputs, int32_t* sums, bool fetch) {
    constexpr int WIDTH = TWO ? PANEL : TILE_SIDE;
    // Weights of a frame's stacks are more than the near caches hold, and what the processor fetches
    // by itself ends at each page.
    constexpr int AHEAD = 4 * TILE_QUADS * WIDTH * 4;
    clear_sums();
    for (int quad = 0; quad < quads; quad += TILE_QUADS) {
        const int8_t* weights = packed + quad * WIDTH * 4;
        if (fetch)
            for (int k = 0; k < TILE_QUADS * WIDTH * 4; k += 64) __builtin_prefetch(weights + AHEAD + k);
        add_tile<TWO_ROWS, TWO>(rows + 4 * quad, pitch, weights, WIDTH * 4);
    }
    store_tiles<TWO_ROWS, TWO>(sums, outputs);
}

template <bool TWO_ROWS>
SC_INLINE void all_outputs(const uint8_t* rows, ptrdiff_t pitch, int quads, const int8_t* packed,
                           int outputs, int32_t* sums, bool fetch) {
    const ptrdiff_t each = static_cast<ptrdiff_t>(padded_quads(quads)) * 4;  // bytes of an output
    int o = 0;
    for (; o + PANEL <= outputs; o += PANEL)
        by_tiles<TWO_ROWS, true>(rows, pitch, quads, packed + o * each, outputs, sums + o, fetch);
    if (o < outputs)
        by_tiles<TWO_ROWS, false>(rows, pitch, quads, packed + o * each, outputs, sums + o, fetch);
}

void product(const uint8_t* rows, ptrdiff_t pitch, int count, int quads, const int8_t* packed,
             int outputs, int32_t* sums) {
    int i = 0;
    {
        const Tiles whole;
        for (; i + 2 * TILE_SIDE <= count; i += 2 * TILE_SIDE)
            all_outputs<true>(rows + i * pitch, pitch, quads, packed, outputs, sums + i * outputs,
                              i == 0);
        for (; i + TILE_SIDE <= count; i += TILE_SIDE)
            all_outputs<false>(rows + i * pitch, pitch, quads, packed, outputs, sums + i * outputs, i == 0);
    }
    if (i == count) return;
    const Tiles few(count - i);
    all_outputs<false>(rows + i * pitch, pitch, quads, packed, outputs, sums + i * outputs, i == 0);
}

#else

// ROWS rows at once against WIDE vectors of outputs, which are so many of a panel of `width`.
template <int ROWS, int WIDE>
SC_INLINE void tile(const uint8_t* rows, ptrdiff_t pitch, int quads, const int8_t* packed, int width,
                    int outputs, int32_t* sums) {
    Sums total[ROWS][WIDE];
    for (int i = 0; i < ROWS; ++i)
        for (int w = 0; w < WIDE; ++w) total[i][w] = zero_sums();
    for (int quad = 0; quad < quads; ++quad) {
        const int8_t* weights = packed + quad * width * 4;
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
#if defined(__AVX512BW__)
constexpr int ROWS = 8;
#else
constexpr int ROWS = 4;
#endif

template <int WIDE>
SC_INLINE void all_rows(const uint8_t* rows, ptrdiff_t pitch, int count, int quads,
                        const int8_t* packed, int width, int outputs, int32_t* sums) {
    int i = 0;
    for (; i + ROWS <= count; i += ROWS)
        tile<ROWS, WIDE>(rows + i * pitch, pitch, quads, packed, width, outputs, sums + i * outputs);
    for (; i < count; ++i)
        tile<1, WIDE>(rows + i * pitch, pitch, quads, packed, width, outputs, sums + i * outputs);
}

void product(const uint8_t* rows, ptrdiff_t pitch, int count, int quads, const int8_t* packed,
             int outputs, int32_t* sums) {
    const ptrdiff_t each = static_cast<ptrdiff_t>(padded_quads(quads)) * 4;  // bytes of an output
    for (int first = 0; first < outputs; first += PANEL) {
        const int width = panel_width(first, outputs);
        const int8_t* panel = packed + first * each;
        int o = 0;
        for (; o + 2 * LANES <= width; o += 2 * LANES)
            all_rows<2>(rows, pitch, count, quads, panel + o * 4, width, outputs, sums + first + o);
        for (; o < width; o += LANES)
            all_rows<1>(rows, pitch, count, quads, panel + o * 4, width, outputs, sums + first + o);
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

// A quotient of floats may be off by one: the remainder shows it.
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

void magnitudes(const uint8_t* levels, int count, uint8_t* out) {
#if defined(__SSSE3__)
    const __m128i table = _mm_loadu_si128(reinterpret_cast<const __m128i*>(MAGNITUDE));
    for (; count >= 16; count -= 16, levels += 16, out += 16) {
        const __m128i own = _mm_loadu_si128(reinterpret_cast<const __m128i*>(levels));
        const __m128i found = _mm_shuffle_epi8(table, _mm_min_epu8(own, _mm_set1_epi8(15)));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), found);
    }
#endif
    for (int i = 0; i < count; ++i) out[i] = MAGNITUDE[levels[i] < 15 ? levels[i] : 15];
}

void sizes(const int16_t* __restrict symbols, int count, uint8_t* __restrict out) {
    for (int i = 0; i < count; ++i) {
        const int16_t negative = static_cast<int16_t>(-symbols[i]);
        const int16_t size = symbols[i] < 0 ? negative : symbols[i];
        out[i] = static_cast<uint8_t>(size < 15 ? size : 15);
    }
}

void shifted_tables(const uint8_t* __restrict from, const uint8_t* __restrict otherwise, int shift,
                    int count, uint8_t* __restrict out) {
    for (int c = 0; c < count; ++c) {
        const int16_t moved = static_cast<int16_t>(clip(from[c] + shift, 0, 63));
        out[c] = static_cast<uint8_t>(from[c] != 0 ? moved : otherwise[c]);
    }
}

}  // namespace

extern const PriorKernels prior_kernels;
const PriorKernels prior_kernels = {product, activate, table_indices, levels, magnitudes, sizes, shifted_tables, spectra};

}  // namespace sc::SC_LEVEL
