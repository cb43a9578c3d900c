// SPDX-License-Identifier: Apache-2.0
// Lanes of 16 bits in x86 vectors, eight or sixteen at once.
#pragma once

#include <immintrin.h>
#include <string.h>

#include "kernels/level.hpp"

namespace sc::SC_LEVEL {

SC_INLINE __m128i load16(const uint8_t* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
SC_INLINE __m128i load8(const uint8_t* at) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
}
SC_INLINE __m128i load4(const uint8_t* at) {
    int32_t word;
    memcpy(&word, at, 4);
    return _mm_cvtsi32_si128(word);
}
SC_INLINE void store8(uint8_t* at, __m128i value) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(at), value);
}

// Eight lanes of 16 bits, or four of 32.
struct Eight {
    using V = __m128i;
    static V words(int value) { return _mm_set1_epi16(static_cast<short>(value)); }
    static V longs(int value) { return _mm_set1_epi32(value); }
    static V add16(V a, V b) { return _mm_add_epi16(a, b); }
    static V add32(V a, V b) { return _mm_add_epi32(a, b); }
    static V right16(V a, int by) { return _mm_srai_epi16(a, by); }
    static V right32(V a, int by) { return _mm_srai_epi32(a, by); }
    static V byte_products(V bytes, V taps) { return _mm_maddubs_epi16(bytes, taps); }
    static V word_products(V a, V taps) { return _mm_madd_epi16(a, taps); }
    static V low(V a, V b) { return _mm_unpacklo_epi16(a, b); }
    static V high(V a, V b) { return _mm_unpackhi_epi16(a, b); }
    static V narrow(V a, V b) { return _mm_packs_epi32(a, b); }

    static V sub16(V a, V b) { return _mm_sub_epi16(a, b); }
    static V left16(V a, int by) { return _mm_slli_epi16(a, by); }
    static V mean16(V a, V b) { return _mm_avg_epu16(a, b); }
    static V size16(V a) { return _mm_abs_epi16(a); }
    static V within16(V a, V most) {
        return _mm_min_epi16(_mm_max_epi16(a, _mm_sub_epi16(_mm_setzero_si128(), most)), most);
    }
    static V greater16(V a, V b) { return _mm_cmpgt_epi16(a, b); }
    static V both(V a, V b) { return _mm_and_si128(a, b); }
    static bool none(V a) { return _mm_testz_si128(a, a) != 0; }
    static V load(const int16_t* at) { return _mm_loadu_si128(reinterpret_cast<const V*>(at)); }
    static V wide(const uint8_t* at) { return _mm_cvtepu8_epi16(load8(at)); }
    static void put(uint8_t* at, V value) { store8(at, _mm_packus_epi16(value, value)); }
};

#ifdef __AVX2__

struct Sixteen {
    using V = __m256i;
    static V words(int value) { return _mm256_set1_epi16(static_cast<short>(value)); }
    static V longs(int value) { return _mm256_set1_epi32(value); }
    static V add16(V a, V b) { return _mm256_add_epi16(a, b); }
    static V add32(V a, V b) { return _mm256_add_epi32(a, b); }
    static V right16(V a, int by) { return _mm256_srai_epi16(a, by); }
    static V right32(V a, int by) { return _mm256_srai_epi32(a, by); }
    static V byte_products(V bytes, V taps) { return _mm256_maddubs_epi16(bytes, taps); }
    static V word_products(V a, V taps) { return _mm256_madd_epi16(a, taps); }
    static V low(V a, V b) { return _mm256_unpacklo_epi16(a, b); }
    static V high(V a, V b) { return _mm256_unpackhi_epi16(a, b); }
    static V narrow(V a, V b) { return _mm256_packs_epi32(a, b); }

    static V sub16(V a, V b) { return _mm256_sub_epi16(a, b); }
    static V left16(V a, int by) { return _mm256_slli_epi16(a, by); }
    static V mean16(V a, V b) { return _mm256_avg_epu16(a, b); }
    static V size16(V a) { return _mm256_abs_epi16(a); }
    static V within16(V a, V most) {
        return _mm256_min_epi16(
            _mm256_max_epi16(a, _mm256_sub_epi16(_mm256_setzero_si256(), most)), most);
    }
    static V greater16(V a, V b) { return _mm256_cmpgt_epi16(a, b); }
    static V both(V a, V b) { return _mm256_and_si256(a, b); }
    static bool none(V a) { return _mm256_testz_si256(a, a) != 0; }
    static V load(const int16_t* at) { return _mm256_loadu_si256(reinterpret_cast<const V*>(at)); }
    static V wide(const uint8_t* at) { return _mm256_cvtepu8_epi16(load16(at)); }
    static void put(uint8_t* at, V value) {
        const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(value),
                                               _mm256_extracti128_si256(value, 1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(at), bytes);
    }
    static V joined(__m128i first, __m128i second) {
        return _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);
    }
};

#endif

}  // namespace sc::SC_LEVEL
