// SPDX-License-Identifier: Apache-2.0
// Short vectors of floats, and of the integers and bytes that they come from and turn into; lanes.hpp
// has those of 16-bit integers.
#pragma once

#include "kernels/level.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Vectors wider than the plain level's registers never cross a call: all helpers are inlined.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace sc::SC_LEVEL {

typedef float Floats __attribute__((vector_size(32)));
typedef int32_t Ints __attribute__((vector_size(32)));
typedef int32_t FourInts __attribute__((vector_size(16)));
typedef uint8_t Bytes __attribute__((vector_size(16)));
typedef uint8_t EightBytes __attribute__((vector_size(8)));

template <class V>
SC_INLINE V load(const void* from) {
    V value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
}
template <class V>
SC_INLINE void store(void* to, V value) {
    __builtin_memcpy(to, &value, sizeof value);
}

SC_INLINE Floats absolute(Floats a) { return (Floats)((Ints)a & 0x7FFFFFFF); }
SC_INLINE Floats least(Floats a, Floats b) { return a < b ? a : b; }
template <class V>
SC_INLINE V bound(V value, int low, int high) {
    value = value < low ? V{} + low : value;
    return value > high ? V{} + high : value;
}
SC_INLINE Floats root(Floats a) {
#if defined(__AVX__)
    return (Floats)_mm256_sqrt_ps((__m256)a);
#else
    Floats result = a;
    for (int i = 0; i < 8; ++i) result[i] = __builtin_sqrtf(a[i]);
    return result;
#endif
}
// Eight samples as integers, and back (0 to 255). Compilers do such conversions one by one.
SC_INLINE Ints widen(const uint8_t* from) {
#if defined(__AVX2__)
    return (Ints)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)from));
#else
    return __builtin_convertvector(load<EightBytes>(from), Ints);
#endif
}
SC_INLINE void narrow(uint8_t* to, Ints values) {
#if defined(__AVX512VL__)
    _mm_storel_epi64((__m128i*)to, _mm256_cvtepi32_epi8((__m256i)values));
#elif defined(__AVX2__)
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128((__m256i)values),
                                           _mm256_extracti128_si256((__m256i)values, 1));
    _mm_storel_epi64((__m128i*)to, _mm_packus_epi16(words, words));
#else
    store(to, __builtin_convertvector(values, EightBytes));
#endif
}
SC_INLINE bool any_of(Ints a) {
#if defined(__AVX__)
    return !_mm256_testz_si256((__m256i)a, (__m256i)a);
#else
    int all = 0;
    for (int i = 0; i < 8; ++i) all |= a[i];
    return all != 0;
#endif
}
// Sixteen lanes added in one order.
SC_INLINE float total(Floats low, Floats high) {
    const Floats eight = low + high;
    const float four[4] = {eight[0] + eight[4], eight[1] + eight[5], eight[2] + eight[6],
                           eight[3] + eight[7]};
    return (four[0] + four[2]) + (four[1] + four[3]);
}

}  // namespace sc::SC_LEVEL
