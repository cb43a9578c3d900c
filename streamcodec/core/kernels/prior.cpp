// SPDX-License-Identifier: Apache-2.0
#include "kernels/prior.hpp"

#include "kernels/level.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <string.h>

namespace sc::SC_LEVEL {
namespace {

#if defined(__AVX512BW__)
constexpr int LANES = 16;
using Sums = __m512i;
SC_INLINE Sums zero() { return _mm512_setzero_si512(); }
SC_INLINE Sums load(const int8_t* at) { return _mm512_loadu_si512(at); }
SC_INLINE Sums four(int32_t value) { return _mm512_set1_epi32(value); }
SC_INLINE void store(int32_t* at, Sums value) { _mm512_storeu_si512(at, value); }
SC_INLINE Sums add_products(Sums sums, Sums inputs, Sums weights) {
#if defined(__AVX512VNNI__)
    return _mm512_dpbusd_epi32(sums, inputs, weights);
#else
    // Pairs stay below 2**15, since inputs are 0..127.
    const __m512i pairs = _mm512_maddubs_epi16(inputs, weights);
    return _mm512_add_epi32(sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#endif
}
SC_INLINE Sums add_pairs(Sums sums, Sums inputs, Sums weights) {
    return _mm512_add_epi32(sums, _mm512_madd_epi16(inputs, weights));
}
#elif defined(__AVX2__)
constexpr int LANES = 8;
using Sums = __m256i;
SC_INLINE Sums zero() { return _mm256_setzero_si256(); }
SC_INLINE Sums load(const int8_t* at) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}
SC_INLINE Sums four(int32_t value) { return _mm256_set1_epi32(value); }
SC_INLINE void store(int32_t* at, Sums value) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value);
}
SC_INLINE Sums add_products(Sums sums, Sums inputs, Sums weights) {
    const __m256i pairs = _mm256_maddubs_epi16(inputs, weights);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
SC_INLINE Sums add_pairs(Sums sums, Sums inputs, Sums weights) {
    return _mm256_add_epi32(sums, _mm256_madd_epi16(inputs, weights));
}
#elif defined(__SSSE3__)
constexpr int LANES = 4;
using Sums = __m128i;
SC_INLINE Sums zero() { return _mm_setzero_si128(); }
SC_INLINE Sums load(const int8_t* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
SC_INLINE Sums four(int32_t value) { return _mm_set1_epi32(value); }
SC_INLINE void store(int32_t* at, Sums value) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at), value);
}
SC_INLINE Sums add_products(Sums sums, Sums inputs, Sums weights) {
    const __m128i pairs = _mm_maddubs_epi16(inputs, weights);
    return _mm_add_epi32(sums, _mm_madd_epi16(pairs, _mm_set1_epi16(1)));
}
SC_INLINE Sums add_pairs(Sums sums, Sums inputs, Sums weights) {
    return _mm_add_epi32(sums, _mm_madd_epi16(inputs, weights));
}
#else
// Plain arithmetic in four lanes, for processors that have none of these.
constexpr int LANES = 4;
struct Sums {
    int32_t at[4];
};
SC_INLINE Sums zero() { return {{0, 0, 0, 0}}; }
SC_INLINE Sums load(const int8_t* at) {
    Sums value;
    memcpy(&value, at, sizeof value);
    return value;
}
SC_INLINE Sums four(int32_t value) { return {{value, value, value, value}}; }
SC_INLINE void store(int32_t* at, Sums value) { memcpy(at, &value, sizeof value); }
SC_INLINE Sums add_products(Sums sums, Sums inputs, Sums weights) {
    for (int lane = 0; lane < 4; ++lane) {
        int8_t a[4], b[4];
        memcpy(a, &inputs.at[lane], 4);
        memcpy(b, &weights.at[lane], 4);
        for (int k = 0; k < 4; ++k) sums.at[lane] += a[k] * b[k];
    }
    return sums;
}
SC_INLINE Sums add_pairs(Sums sums, Sums inputs, Sums weights) {
    for (int lane = 0; lane < 4; ++lane) {
        int16_t a[2], b[2];
        memcpy(a, &inputs.at[lane], 4);
        memcpy(b, &weights.at[lane], 4);
        sums.at[lane] += a[0] * b[0] + a[1] * b[1];
    }
    return sums;
}
#endif

SC_INLINE int32_t quad_at(const uint8_t* row, int quad) {
    int32_t value;
    memcpy(&value, row + 4 * quad, 4);
    return value;
}

// ROWS rows at once against WIDE vectors of outputs.
template <int ROWS, int WIDE>
SC_INLINE void tile(const uint8_t* rows, ptrdiff_t pitch, int quads, const int8_t* packed,
                    int outputs, int32_t* sums) {
    Sums total[ROWS][WIDE];
    for (int i = 0; i < ROWS; ++i)
        for (int w = 0; w < WIDE; ++w) total[i][w] = zero();
    for (int quad = 0; quad < quads; ++quad) {
        const int8_t* weights = packed + static_cast<ptrdiff_t>(quad) * outputs * 4;
        Sums column[WIDE];
        for (int w = 0; w < WIDE; ++w) column[w] = load(weights + w * LANES * 4);
        for (int i = 0; i < ROWS; ++i) {
            const Sums spread = four(quad_at(rows + i * pitch, quad));
            for (int w = 0; w < WIDE; ++w)
                total[i][w] = add_products(total[i][w], spread, column[w]);
        }
    }
    for (int i = 0; i < ROWS; ++i)
        for (int w = 0; w < WIDE; ++w) store(sums + i * outputs + w * LANES, total[i][w]);
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

void activate(const int32_t* sums, const int32_t* bias, int count, uint8_t* out) {
    for (int i = 0; i < count; ++i)
        out[i] = static_cast<uint8_t>(clip((sums[i] + bias[i] + 32) >> 6, 0, 127));
}

void table_indices(const int32_t* sums, const int32_t* base, int count, uint8_t* out) {
    for (int i = 0; i < count; ++i)
        out[i] = static_cast<uint8_t>(clip((sums[i] + base[i] + 128) >> 8, 0, 63));
}

constexpr int STEP = 16 / LANES;

void product16(const int16_t* inputs, const int16_t* packed, int size, int32_t* out) {
    for (int o = 0; o < size; o += 16) {
        Sums total[STEP];
        for (int w = 0; w < STEP; ++w) total[w] = zero();
        for (int pair = 0; pair < size / 2; ++pair) {
            int32_t both;
            memcpy(&both, inputs + 2 * pair, 4);
            const Sums spread = four(both);
            const int16_t* weights = packed + (pair * size + o) * 2;
            for (int w = 0; w < STEP; ++w)
                total[w] = add_pairs(
                    total[w], spread,
                    load(reinterpret_cast<const int8_t*>(weights + w * LANES * 2)));
        }
        for (int w = 0; w < STEP; ++w) store(out + o + w * LANES, total[w]);
    }
}

}  // namespace

extern const PriorKernels prior_kernels;
const PriorKernels prior_kernels = {product, activate, table_indices, product16};

}  // namespace sc::SC_LEVEL
