// SPDX-License-Identifier: Apache-2.0
// Vectors of 16-bit lanes as wide as the level has them, for kernels that compilers do not find.
//
// A Lanes is a row of groups of eight lanes (128 bits); interleaving and packing stay within a
// group, as on x86, so that one text serves every width. Without x86 a group stands alone.
#pragma once

#include <string.h>

#include "kernels/level.hpp"

#if defined(__SSE4_1__)
#include <immintrin.h>
#endif

namespace sc::SC_LEVEL {

typedef int16_t Lanes1 __attribute__((vector_size(16)));
typedef int32_t Ints1 __attribute__((vector_size(16)));
typedef float Floats1 __attribute__((vector_size(16)));
typedef uint8_t Bytes1 __attribute__((vector_size(8)));

#if defined(__SSE4_1__)

#define SC_LANES_OPS(LANES, INTS, REGISTER, PREFIX)                                            \
    SC_INLINE LANES low16(LANES a, LANES b) {                                                  \
        return (LANES)PREFIX##_unpacklo_epi16((REGISTER)a, (REGISTER)b);                       \
    }                                                                                          \
    SC_INLINE LANES high16(LANES a, LANES b) {                                                 \
        return (LANES)PREFIX##_unpackhi_epi16((REGISTER)a, (REGISTER)b);                       \
    }                                                                                          \
    SC_INLINE LANES low32(LANES a, LANES b) {                                                  \
        return (LANES)PREFIX##_unpacklo_epi32((REGISTER)a, (REGISTER)b);                       \
    }                                                                                          \
    SC_INLINE LANES high32(LANES a, LANES b) {                                                 \
        return (LANES)PREFIX##_unpackhi_epi32((REGISTER)a, (REGISTER)b);                       \
    }                                                                                          \
    SC_INLINE LANES low64(LANES a, LANES b) {                                                  \
        return (LANES)PREFIX##_unpacklo_epi64((REGISTER)a, (REGISTER)b);                       \
    }                                                                                          \
    SC_INLINE LANES high64(LANES a, LANES b) {                                                 \
        return (LANES)PREFIX##_unpackhi_epi64((REGISTER)a, (REGISTER)b);                       \
    }                                                                                          \
    SC_INLINE LANES sizes(LANES a) { return (LANES)PREFIX##_abs_epi16((REGISTER)a); }          \
    /* a[2i] * b[2i] + a[2i + 1] * b[2i + 1] */                                                \
    SC_INLINE INTS products(LANES a, LANES b) {                                                \
        return (INTS)PREFIX##_madd_epi16((REGISTER)a, (REGISTER)b);                            \
    }                                                                                          \
    /* each group's lanes: four of `a`, then four of `b`, kept within int16 */                 \
    SC_INLINE LANES packed(INTS a, INTS b) {                                                   \
        return (LANES)PREFIX##_packs_epi32((REGISTER)a, (REGISTER)b);                          \
    }

SC_LANES_OPS(Lanes1, Ints1, __m128i, _mm)
#if defined(__AVX2__)
typedef int16_t Lanes2 __attribute__((vector_size(32)));
typedef int32_t Ints2 __attribute__((vector_size(32)));
typedef float Floats2 __attribute__((vector_size(32)));
typedef uint8_t Bytes2 __attribute__((vector_size(16)));
SC_LANES_OPS(Lanes2, Ints2, __m256i, _mm256)
#endif
#if defined(__AVX512BW__)
typedef int16_t Lanes4 __attribute__((vector_size(64)));
typedef int32_t Ints4 __attribute__((vector_size(64)));
typedef float Floats4 __attribute__((vector_size(64)));
typedef uint8_t Bytes4 __attribute__((vector_size(32)));
SC_LANES_OPS(Lanes4, Ints4, __m512i, _mm512)
#endif
#undef SC_LANES_OPS

#else

#define SC_PAIR(A, B, FIRST, EACH)                              \
    Lanes1 out;                                                 \
    for (int i = 0; i < 8; ++i) {                               \
        const int from = (FIRST) + i / (2 * (EACH)) * (EACH) + i % (EACH); \
        out[i] = i / (EACH) % 2 ? (B)[from] : (A)[from];        \
    }                                                           \
    return out;
SC_INLINE Lanes1 low16(Lanes1 a, Lanes1 b) { SC_PAIR(a, b, 0, 1) }
SC_INLINE Lanes1 high16(Lanes1 a, Lanes1 b) { SC_PAIR(a, b, 4, 1) }
SC_INLINE Lanes1 low32(Lanes1 a, Lanes1 b) { SC_PAIR(a, b, 0, 2) }
SC_INLINE Lanes1 high32(Lanes1 a, Lanes1 b) { SC_PAIR(a, b, 4, 2) }
SC_INLINE Lanes1 low64(Lanes1 a, Lanes1 b) { SC_PAIR(a, b, 0, 4) }
SC_INLINE Lanes1 high64(Lanes1 a, Lanes1 b) { SC_PAIR(a, b, 4, 4) }
#undef SC_PAIR
SC_INLINE Lanes1 sizes(Lanes1 a) {
    for (int i = 0; i < 8; ++i) a[i] = (int16_t)(a[i] < 0 ? -a[i] : a[i]);
    return a;
}
SC_INLINE Ints1 products(Lanes1 a, Lanes1 b) {
    Ints1 out;
    for (int i = 0; i < 4; ++i) out[i] = a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
    return out;
}
SC_INLINE Lanes1 packed(Ints1 a, Ints1 b) {
    Lanes1 out;
    for (int i = 0; i < 8; ++i) out[i] = (int16_t)clip(i < 4 ? a[i] : b[i - 4], -32768, 32767);
    return out;
}

#endif

// The widest of this level, and how many 8-bit samples fill it.
#if defined(__AVX512BW__)
typedef Lanes4 Lanes;
typedef Ints4 Ints;
typedef Bytes4 Bytes;
#elif defined(__AVX2__)
typedef Lanes2 Lanes;
typedef Ints2 Ints;
typedef Bytes2 Bytes;
#else
typedef Lanes1 Lanes;
typedef Ints1 Ints;
typedef Bytes1 Bytes;
#endif

template <class V>
SC_INLINE V load(const void* from) {
    V value;
    memcpy(&value, from, sizeof(V));
    return value;
}
template <class V>
SC_INLINE void store(void* to, V value) {
    memcpy(to, &value, sizeof(V));
}

}  // namespace sc::SC_LEVEL
