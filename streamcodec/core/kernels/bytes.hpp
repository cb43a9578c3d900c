// SPDX-License-Identifier: Apache-2.0
// Products of bytes, four inputs a lane: what the prior's and the convolutions' sums are made of.
#pragma once

#include "kernels/level.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <string.h>

namespace sc::SC_LEVEL {

// LANES sums of 32 bits. `add_products` adds four bytes 0..127 times four weights to each;
// `add_pairs` two words times two.
#if defined(__AVX512BW__)
constexpr int LANES = 16;
using Sums = __m512i;
SC_INLINE Sums zero_sums() { return _mm512_setzero_si512(); }
SC_INLINE Sums load_sums(const void* at) { return _mm512_loadu_si512(at); }
SC_INLINE Sums spread(int32_t value) { return _mm512_set1_epi32(value); }
SC_INLINE void store_sums(int32_t* at, Sums value) { _mm512_storeu_si512(at, value); }
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
SC_INLINE Sums zero_sums() { return _mm256_setzero_si256(); }
SC_INLINE Sums load_sums(const void* at) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(at));
}
SC_INLINE Sums spread(int32_t value) { return _mm256_set1_epi32(value); }
SC_INLINE void store_sums(int32_t* at, Sums value) {
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
SC_INLINE Sums zero_sums() { return _mm_setzero_si128(); }
SC_INLINE Sums load_sums(const void* at) { return _mm_loadu_si128(static_cast<const __m128i*>(at)); }
SC_INLINE Sums spread(int32_t value) { return _mm_set1_epi32(value); }
SC_INLINE void store_sums(int32_t* at, Sums value) {
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
SC_INLINE Sums zero_sums() { return {{0, 0, 0, 0}}; }
SC_INLINE Sums load_sums(const void* at) {
    Sums value;
    memcpy(&value, at, sizeof value);
    return value;
}
SC_INLINE Sums spread(int32_t value) { return {{value, value, value, value}}; }
SC_INLINE void store_sums(int32_t* at, Sums value) { memcpy(at, &value, sizeof value); }
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

// Four bytes of a row as one number that `spread` takes.
SC_INLINE int32_t quad_at(const uint8_t* row, int quad) {
    int32_t value;
    memcpy(&value, row + 4 * quad, 4);
    return value;
}

}  // namespace sc::SC_LEVEL
