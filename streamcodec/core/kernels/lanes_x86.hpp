// SPDX-License-Identifier: Apache-2.0
// lanes.hpp in x86 instructions.
#pragma once

namespace sc::SC_LEVEL {

struct Eight {
    using V = __m128i;
    typedef int32_t Ints __attribute__((vector_size(16)));
    typedef float Reals __attribute__((vector_size(16)));
    static constexpr int COUNT = 8;

    static V words(int value) { return _mm_set1_epi16(static_cast<short>(value)); }
    static V longs(int value) { return _mm_set1_epi32(value); }

    // Samples in memory.
    static V load16(const uint8_t* at) { return _mm_loadu_si128(reinterpret_cast<const V*>(at)); }
    static V load8(const uint8_t* at) { return _mm_loadl_epi64(reinterpret_cast<const V*>(at)); }
    static V load4(const uint8_t* at) {
        int32_t word;
        memcpy(&word, at, 4);
        return _mm_cvtsi32_si128(word);
    }
    static V load_bytes(const uint8_t* at) { return load16(at); }
    static V load_words(const int16_t* at) {
        return _mm_loadu_si128(reinterpret_cast<const V*>(at));
    }
    static V wide(const uint8_t* at) { return _mm_cvtepu8_epi16(load8(at)); }
    static void store_bytes(uint8_t* at, V value) {
        _mm_storeu_si128(reinterpret_cast<V*>(at), value);
    }
    static void store_words(int16_t* at, V value) {
        _mm_storeu_si128(reinterpret_cast<V*>(at), value);
    }
    static void store_longs(int32_t* at, V value) {
        _mm_storeu_si128(reinterpret_cast<V*>(at), value);
    }
    // Words as samples, cut to 0 to 255.
    static void put(uint8_t* at, V value) {
        _mm_storel_epi64(reinterpret_cast<V*>(at), _mm_packus_epi16(value, value));
    }

    // Bytes, words and longs of two vectors, one after the other.
    static V zip8_low(V a, V b) { return _mm_unpacklo_epi8(a, b); }
    static V zip8_high(V a, V b) { return _mm_unpackhi_epi8(a, b); }
    static V zip16_low(V a, V b) { return _mm_unpacklo_epi16(a, b); }
    static V zip16_high(V a, V b) { return _mm_unpackhi_epi16(a, b); }
    static V zip32_low(V a, V b) { return _mm_unpacklo_epi32(a, b); }
    static V zip32_high(V a, V b) { return _mm_unpackhi_epi32(a, b); }
    static V halves_low(V a, V b) { return _mm_unpacklo_epi64(a, b); }
    static V halves_high(V a, V b) { return _mm_unpackhi_epi64(a, b); }
    template <int... AT>
    static V picked(V bytes) {
        return _mm_shuffle_epi8(bytes, _mm_setr_epi8(AT...));
    }
    static V wide_low(V bytes) { return _mm_cvtepu8_epi16(bytes); }
    static V wide_high(V bytes) { return _mm_unpackhi_epi8(bytes, _mm_setzero_si128()); }
    static V pack8(V a, V b) { return _mm_packus_epi16(a, b); }  // cut to 0 to 255
    static V pack16(V a, V b) { return _mm_packs_epi32(a, b); }  // cut to 16 bits

    static V add16(V a, V b) { return _mm_add_epi16(a, b); }
    static V sub16(V a, V b) { return _mm_sub_epi16(a, b); }
    static V left16(V a, int by) { return _mm_slli_epi16(a, by); }
    static V right16(V a, int by) { return _mm_srai_epi16(a, by); }
    static V mean16(V a, V b) { return _mm_avg_epu16(a, b); }
    static V size16(V a) { return _mm_abs_epi16(a); }
    static V times16(V a, V b) { return _mm_mullo_epi16(a, b); }
    static V within16(V a, V most) {
        return _mm_min_epi16(_mm_max_epi16(a, _mm_sub_epi16(_mm_setzero_si128(), most)), most);
    }
    static V greater16(V a, V b) { return _mm_cmpgt_epi16(a, b); }
    static V both(V a, V b) { return _mm_and_si128(a, b); }
    static bool none(V a) { return _mm_testz_si128(a, a) != 0; }
    static V add32(V a, V b) { return _mm_add_epi32(a, b); }
    static V right32(V a, int by) { return _mm_srai_epi32(a, by); }

    // Bytes (0 to 255) times signed bytes, two neighbours added; no sum here leaves 16 bits.
    static V byte_products(V bytes, V by) { return _mm_maddubs_epi16(bytes, by); }
    // Words times words, two neighbours added, and added to longs.
    static V word_products(V sum, V a, V b) { return _mm_add_epi32(sum, _mm_madd_epi16(a, b)); }
};

#ifdef __AVX2__

struct Sixteen {
    using V = __m256i;
    typedef int32_t Ints __attribute__((vector_size(32)));
    typedef float Reals __attribute__((vector_size(32)));
    static constexpr int COUNT = 16;

    static V joined(__m128i first, __m128i second) {
        return _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);
    }
    static __m128i first(V v) { return _mm256_castsi256_si128(v); }
    static __m128i second(V v) { return _mm256_extracti128_si256(v, 1); }

    static V words(int value) { return _mm256_set1_epi16(static_cast<short>(value)); }
    static V longs(int value) { return _mm256_set1_epi32(value); }

    static V load_bytes(const uint8_t* at) {
        return _mm256_loadu_si256(reinterpret_cast<const V*>(at));
    }
    static V load_words(const int16_t* at) {
        return _mm256_loadu_si256(reinterpret_cast<const V*>(at));
    }
    static V wide(const uint8_t* at) { return _mm256_cvtepu8_epi16(Eight::load16(at)); }
    static void store_bytes(uint8_t* at, V value) {
        _mm256_storeu_si256(reinterpret_cast<V*>(at), value);
    }
    static void store_words(int16_t* at, V value) {
        _mm256_storeu_si256(reinterpret_cast<V*>(at), value);
    }
    static void store_longs(int32_t* at, V value) {
        _mm256_storeu_si256(reinterpret_cast<V*>(at), value);
    }
    static void put(uint8_t* at, V value) {
        Eight::store_bytes(at, _mm_packus_epi16(first(value), second(value)));
    }

    static V zip8_low(V a, V b) { return _mm256_unpacklo_epi8(a, b); }
    static V zip8_high(V a, V b) { return _mm256_unpackhi_epi8(a, b); }
    static V zip16_low(V a, V b) { return _mm256_unpacklo_epi16(a, b); }
    static V zip16_high(V a, V b) { return _mm256_unpackhi_epi16(a, b); }
    static V zip32_low(V a, V b) { return _mm256_unpacklo_epi32(a, b); }
    static V zip32_high(V a, V b) { return _mm256_unpackhi_epi32(a, b); }
    static V halves_low(V a, V b) { return _mm256_unpacklo_epi64(a, b); }
    static V halves_high(V a, V b) { return _mm256_unpackhi_epi64(a, b); }
    template <int... AT>
    static V picked(V bytes) {
        return _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(_mm_setr_epi8(AT...)));
    }
    static V pack8(V a, V b) { return _mm256_packus_epi16(a, b); }
    static V pack16(V a, V b) { return _mm256_packs_epi32(a, b); }

    static V add16(V a, V b) { return _mm256_add_epi16(a, b); }
    static V sub16(V a, V b) { return _mm256_sub_epi16(a, b); }
    static V left16(V a, int by) { return _mm256_slli_epi16(a, by); }
    static V right16(V a, int by) { return _mm256_srai_epi16(a, by); }
    static V mean16(V a, V b) { return _mm256_avg_epu16(a, b); }
    static V size16(V a) { return _mm256_abs_epi16(a); }
    static V within16(V a, V most) {
        return _mm256_min_epi16(
            _mm256_max_epi16(a, _mm256_sub_epi16(_mm256_setzero_si256(), most)), most);
    }
    static V greater16(V a, V b) { return _mm256_cmpgt_epi16(a, b); }
    static V both(V a, V b) { return _mm256_and_si256(a, b); }
    static bool none(V a) { return _mm256_testz_si256(a, a) != 0; }
    static V add32(V a, V b) { return _mm256_add_epi32(a, b); }
    static V right32(V a, int by) { return _mm256_srai_epi32(a, by); }

    static V byte_products(V bytes, V by) { return _mm256_maddubs_epi16(bytes, by); }
    static V word_products(V sum, V a, V b) {
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
        return _mm256_dpwssd_epi32(sum, a, b);
#else
        return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
#endif
    }
};
#ifdef __AVX512BW__

// What needs no more than this: most kernels gain nothing from registers so wide.
struct ThirtyTwo {
    using V = __m512i;
    typedef int32_t Ints __attribute__((vector_size(64)));
    typedef float Reals __attribute__((vector_size(64)));
    static constexpr int COUNT = 32;

    static V joined(__m256i first, __m256i second) {
        return _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
    }

    static V words(int value) { return _mm512_set1_epi16(static_cast<short>(value)); }
    static V longs(int value) { return _mm512_set1_epi32(value); }

    static V load_bytes(const uint8_t* at) { return _mm512_loadu_si512(at); }
    static V load_words(const int16_t* at) { return _mm512_loadu_si512(at); }
    static V wide(const uint8_t* at) { return _mm512_cvtepu8_epi16(Sixteen::load_bytes(at)); }
    static void store_bytes(uint8_t* at, V value) { _mm512_storeu_si512(at, value); }
    static void store_words(int16_t* at, V value) { _mm512_storeu_si512(at, value); }

    static V zip8_low(V a, V b) { return _mm512_unpacklo_epi8(a, b); }
    static V zip8_high(V a, V b) { return _mm512_unpackhi_epi8(a, b); }
    static V zip16_low(V a, V b) { return _mm512_unpacklo_epi16(a, b); }
    static V zip16_high(V a, V b) { return _mm512_unpackhi_epi16(a, b); }
    static V zip32_low(V a, V b) { return _mm512_unpacklo_epi32(a, b); }
    static V zip32_high(V a, V b) { return _mm512_unpackhi_epi32(a, b); }
    static V halves_low(V a, V b) { return _mm512_unpacklo_epi64(a, b); }
    static V halves_high(V a, V b) { return _mm512_unpackhi_epi64(a, b); }
    static V pack8(V a, V b) { return _mm512_packus_epi16(a, b); }
    static V pack16(V a, V b) { return _mm512_packs_epi32(a, b); }

    static V add16(V a, V b) { return _mm512_add_epi16(a, b); }
    static V sub16(V a, V b) { return _mm512_sub_epi16(a, b); }
    static V right16(V a, int by) { return _mm512_srai_epi16(a, static_cast<unsigned>(by)); }
    static V size16(V a) { return _mm512_abs_epi16(a); }
    static V right32(V a, int by) { return _mm512_srai_epi32(a, static_cast<unsigned>(by)); }

    static V byte_products(V bytes, V by) { return _mm512_maddubs_epi16(bytes, by); }
    static V word_products(V sum, V a, V b) {
#if defined(__AVX512VNNI__)
        return _mm512_dpwssd_epi32(sum, a, b);
#else
        return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
#endif
    }
};
using Widest = ThirtyTwo;

#else

using Widest = Sixteen;

#endif

using Most = Sixteen;

#else

using Most = Eight;
using Widest = Eight;

#endif

}  // namespace sc::SC_LEVEL
