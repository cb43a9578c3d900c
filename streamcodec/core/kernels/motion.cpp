// SPDX-License-Identifier: Apache-2.0
#include "kernels/motion.hpp"

#include "kernels/groups.hpp"

namespace sc::SC_LEVEL {

namespace {

// --- sums of absolute differences -----------------------------------------------------------

#if defined(__AVX2__)
SC_INLINE __m256i two_rows(const uint8_t* at, ptrdiff_t pitch) {
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)at)),
        _mm_loadu_si128((const __m128i*)(at + pitch)), 1);
}
SC_INLINE int sum(__m256i sums) {
    const __m128i two =
        _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    return _mm_cvtsi128_si32(two) + _mm_extract_epi32(two, 2);
}
#endif

template <int COUNT>
SC_INLINE void sads16(const uint8_t* source, const uint8_t* const* others, ptrdiff_t pitch,
                      int* out) {
#if defined(__AVX2__)
    __m256i sums[COUNT];
    for (int k = 0; k < COUNT; ++k) sums[k] = _mm256_setzero_si256();
    for (int i = 0; i < 16; i += 2) {
        const __m256i own = _mm256_loadu_si256((const __m256i*)(source + 16 * i));
        for (int k = 0; k < COUNT; ++k) {
            sums[k] = _mm256_add_epi32(
                sums[k], _mm256_sad_epu8(own, two_rows(others[k] + i * pitch, pitch)));
        }
    }
    for (int k = 0; k < COUNT; ++k) out[k] = sum(sums[k]);
#elif defined(__SSE4_1__)
    __m128i sums[COUNT];
    for (int k = 0; k < COUNT; ++k) sums[k] = _mm_setzero_si128();
    for (int i = 0; i < 16; ++i) {
        const __m128i own = _mm_loadu_si128((const __m128i*)(source + 16 * i));
        for (int k = 0; k < COUNT; ++k) {
            const __m128i other = _mm_loadu_si128((const __m128i*)(others[k] + i * pitch));
            sums[k] = _mm_add_epi32(sums[k], _mm_sad_epu8(own, other));
        }
    }
    for (int k = 0; k < COUNT; ++k) {
        out[k] = _mm_cvtsi128_si32(sums[k]) + _mm_extract_epi32(sums[k], 2);
    }
#else
    for (int k = 0; k < COUNT; ++k) {
        int total = 0;
        for (int i = 0; i < 16; ++i) {
            for (int j = 0; j < 16; ++j) {
                const int d = source[16 * i + j] - others[k][i * pitch + j];
                total += d < 0 ? -d : d;
            }
        }
        out[k] = total;
    }
#endif
}

template <int COUNT>
SC_INLINE void sads8(const uint8_t* source, const uint8_t* const* others, ptrdiff_t pitch,
                     int* out) {
#if defined(__SSE4_1__)
    __m128i sums[COUNT];
    for (int k = 0; k < COUNT; ++k) sums[k] = _mm_setzero_si128();
    for (int i = 0; i < 8; i += 2) {
        const __m128i own =
            _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i*)(source + 16 * i)),
                               _mm_loadl_epi64((const __m128i*)(source + 16 * i + 16)));
        for (int k = 0; k < COUNT; ++k) {
            const uint8_t* at = others[k] + i * pitch;
            const __m128i other = _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i*)at),
                                                     _mm_loadl_epi64((const __m128i*)(at + pitch)));
            sums[k] = _mm_add_epi32(sums[k], _mm_sad_epu8(own, other));
        }
    }
    for (int k = 0; k < COUNT; ++k) {
        out[k] = _mm_cvtsi128_si32(sums[k]) + _mm_extract_epi32(sums[k], 2);
    }
#else
    for (int k = 0; k < COUNT; ++k) {
        int total = 0;
        for (int i = 0; i < 8; ++i) {
            for (int j = 0; j < 8; ++j) {
                const int d = source[16 * i + j] - others[k][i * pitch + j];
                total += d < 0 ? -d : d;
            }
        }
        out[k] = total;
    }
#endif
}

int sad16(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch) {
    int out;
    sads16<1>(source, &other, pitch, &out);
    return out;
}

int sad8(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch) {
    int out;
    sads8<1>(source, &other, pitch, &out);
    return out;
}

void sad16_of_four(const uint8_t* source, const uint8_t* const* others, ptrdiff_t pitch,
                   int* out) {
    sads16<4>(source, others, pitch, out);
}

void sad8_of_four(const uint8_t* source, const uint8_t* const* others, ptrdiff_t pitch, int* out) {
    sads8<4>(source, others, pitch, out);
}

int squared16(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch) {
    int total = 0;
    for (int i = 0; i < 16; ++i) {
        for (int j = 0; j < 16; ++j) {
            const int16_t d = (int16_t)(source[16 * i + j] - other[i * pitch + j]);
            total += d * d;
        }
    }
    return total;
}

// --- Hadamard -------------------------------------------------------------------------------

// Differences of rows: a group holds eight of an 8x8 block, so Lanes2 a row of two blocks side by
// side, Lanes4 those and the row eight below them.
SC_INLINE void subtract(const uint8_t* a, const uint8_t* b, ptrdiff_t pitch, int row,
                        Lanes1& out) {
    out = __builtin_convertvector(load<Bytes1>(a + 16 * row), Lanes1) -
          __builtin_convertvector(load<Bytes1>(b + row * pitch), Lanes1);
}
#if defined(__AVX2__)
SC_INLINE void subtract(const uint8_t* a, const uint8_t* b, ptrdiff_t pitch, int row,
                        Lanes2& out) {
    out = (Lanes2)_mm256_cvtepu8_epi16(load<__m128i>(a + 16 * row)) -
          (Lanes2)_mm256_cvtepu8_epi16(load<__m128i>(b + row * pitch));
}
#endif
#if defined(__AVX512BW__)
SC_INLINE void subtract(const uint8_t* a, const uint8_t* b, ptrdiff_t pitch, int row,
                        Lanes4& out) {
    out = (Lanes4)_mm512_cvtepu8_epi16(two_rows(a + 16 * row, 16 * 8)) -
          (Lanes4)_mm512_cvtepu8_epi16(two_rows(b + row * pitch, 8 * pitch));
}
#endif

template <class V>
SC_INLINE void butterflies(V (&r)[8]) {
    for (int half = 4; half; half >>= 1) {
        for (int base = 0; base < 8; base += 2 * half) {
            for (int k = base; k < base + half; ++k) {
                const V a = r[k], b = r[k + half];
                r[k] = a + b;
                r[k + half] = a - b;
            }
        }
    }
}

template <class V>
SC_INLINE void transpose(V (&r)[8]) {
    const V a0 = low16(r[0], r[1]), a1 = high16(r[0], r[1]);
    const V a2 = low16(r[2], r[3]), a3 = high16(r[2], r[3]);
    const V a4 = low16(r[4], r[5]), a5 = high16(r[4], r[5]);
    const V a6 = low16(r[6], r[7]), a7 = high16(r[6], r[7]);
    const V b0 = low32(a0, a2), b1 = high32(a0, a2);
    const V b2 = low32(a1, a3), b3 = high32(a1, a3);
    const V b4 = low32(a4, a6), b5 = high32(a4, a6);
    const V b6 = low32(a5, a7), b7 = high32(a5, a7);
    r[0] = low64(b0, b4), r[1] = high64(b0, b4);
    r[2] = low64(b1, b5), r[3] = high64(b1, b5);
    r[4] = low64(b2, b6), r[5] = high64(b2, b6);
    r[6] = low64(b3, b7), r[7] = high64(b3, b7);
}

// Foretold cost of the 8x8 blocks whose rows r holds, each in four partial sums of its own: the
// differences are below 256, so 64 of them fit into int16 through both passes.
template <class V, class I, class F>
SC_INLINE F worths(V (&r)[8], Worth worth) {
    butterflies(r);
    transpose(r);
    butterflies(r);
    F total = {};
    for (int i = 0; i < 8; ++i) {
        const I two = (I)sizes(r[i]);
        const F even = __builtin_convertvector(two & 0xFFFF, F);
        const F odd = __builtin_convertvector(two >> 16, F);
        const F coded = (F){} + worth.coded;
        const F even_each = even * worth.dropped, odd_each = odd * worth.dropped;
        total += even * (even_each < coded ? even_each : coded) +
                 odd * (odd_each < coded ? odd_each : coded);
    }
    return total;
}

template <int GROUPS>
SC_INLINE int rounded_sum(const float* partial) {
    int total = 0;
    for (int k = 0; k < GROUPS; ++k) {
        const float* four = partial + 4 * k;
        total += (int)((four[0] + four[1]) + (four[2] + four[3]));
    }
    return total;
}

int worth8(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch, Worth worth) {
    Lanes1 r[8];
    for (int i = 0; i < 8; ++i) subtract(source, other, pitch, i, r[i]);
    const Floats1 total = worths<Lanes1, Ints1, Floats1>(r, worth);
    float partial[4];
    store(partial, total);
    return rounded_sum<1>(partial);
}

int worth16(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch, Worth worth) {
#if defined(__AVX512BW__)
    Lanes4 r[8];
    for (int i = 0; i < 8; ++i) subtract(source, other, pitch, i, r[i]);
    const Floats4 total = worths<Lanes4, Ints4, Floats4>(r, worth);
    float partial[16];
    store(partial, total);
    return rounded_sum<4>(partial);
#elif defined(__AVX2__)
    int total = 0;
    for (int below = 0; below < 16; below += 8) {
        Lanes2 r[8];
        for (int i = 0; i < 8; ++i) subtract(source, other, pitch, below + i, r[i]);
        const Floats2 part = worths<Lanes2, Ints2, Floats2>(r, worth);
        float partial[8];
        store(partial, part);
        total += rounded_sum<2>(partial);
    }
    return total;
#else
    int total = 0;
    for (int k = 0; k < 4; ++k) {
        const int down = 8 * (k >> 1), right = 8 * (k & 1);
        total += worth8(source + 16 * down + right, other + down * pitch + right, pitch, worth);
    }
    return total;
#endif
}

// --- quarter-sample shifts ------------------------------------------------------------------

// ITU-T H.265, table 8-11.
constexpr int16_t TAPS[4][8] = {
    {0, 0, 0, 64, 0, 0, 0, 0},
    {-1, 4, -10, 58, 17, -5, 1, 0},
    {-1, 4, -11, 40, 40, -11, 4, -1},
    {0, 1, -5, 17, 58, -10, 4, -1},
};
constexpr int BEFORE = 3, BEYOND = 4;  // samples that a filter reads around its own
constexpr int SPAN = BEFORE + TILE_ROWS + BEYOND;
constexpr int STEP = sizeof(Bytes);

SC_INLINE Lanes widened(const uint8_t* at) {
#if defined(__AVX512BW__)
    return (Lanes)_mm512_cvtepu8_epi16(load<__m256i>(at));
#elif defined(__AVX2__)
    return (Lanes)_mm256_cvtepu8_epi16(load<__m128i>(at));
#else
    return __builtin_convertvector(load<Bytes>(at), Lanes);
#endif
}

SC_INLINE void store_clipped(uint8_t* to, Lanes value) {
#if defined(__AVX512BW__)
    const __m512i positive = _mm512_max_epi16((__m512i)value, _mm512_setzero_si512());
    store(to, _mm512_cvtusepi16_epi8(positive));
#elif defined(__AVX2__)
    const __m256i twice = _mm256_packus_epi16((__m256i)value, (__m256i)value);
    store(to, _mm256_castsi256_si128(_mm256_permute4x64_epi64(twice, 0x08)));
#elif defined(__SSE4_1__)
    _mm_storel_epi64((__m128i*)to, _mm_packus_epi16((__m128i)value, (__m128i)value));
#else
    for (int i = 0; i < STEP; ++i) to[i] = (uint8_t)clip<int>(value[i], 0, 255);
#endif
}

// Filtered by the taps of one fraction: at most 112 * 255, so it fits.
template <int FRACTION>
SC_INLINE Lanes filtered(const Lanes (&s)[8]) {
    constexpr const int16_t* t = TAPS[FRACTION];
    Lanes total = s[1] * t[1] + s[2] * t[2] + s[3] * t[3] + s[4] * t[4] + s[5] * t[5] + s[6] * t[6];
    if constexpr (t[0] != 0) total += s[0] * t[0];
    if constexpr (t[7] != 0) total += s[7] * t[7];
    return total;
}

SC_INLINE Ints pair_of(int16_t first, int16_t second) {
    return (Ints){} + (int32_t)((uint32_t)(uint16_t)first | (uint32_t)(uint16_t)second << 16);
}

// Rows `across` (SPAN of them, shifted by fx already) shifted down by all three fractions.
void shift_down(const int16_t* across, ptrdiff_t pitch, uint8_t* const* planes, int fx) {
    for (int x = 0; x < TILE_COLUMNS; x += STEP) {
        Lanes low[SPAN - 1], high[SPAN - 1];
        Lanes upper = load<Lanes>(across + x);
        for (int i = 0; i + 1 < SPAN; ++i) {
            const Lanes lower = load<Lanes>(across + (i + 1) * TILE_COLUMNS + x);
            low[i] = low16(upper, lower);
            high[i] = high16(upper, lower);
            upper = lower;
        }
        for (int fy = 1; fy < 4; ++fy) {
            const Lanes t0 = (Lanes)pair_of(TAPS[fy][0], TAPS[fy][1]);
            const Lanes t1 = (Lanes)pair_of(TAPS[fy][2], TAPS[fy][3]);
            const Lanes t2 = (Lanes)pair_of(TAPS[fy][4], TAPS[fy][5]);
            const Lanes t3 = (Lanes)pair_of(TAPS[fy][6], TAPS[fy][7]);
            uint8_t* out = planes[4 * fy + fx] + x;
            for (int i = 0; i < TILE_ROWS; ++i) {
                const Ints a = products(low[i], t0) + products(low[i + 2], t1) +
                               (products(low[i + 4], t2) + products(low[i + 6], t3)) + 2048;
                const Ints b = products(high[i], t0) + products(high[i + 2], t1) +
                               (products(high[i + 4], t2) + products(high[i + 6], t3)) + 2048;
                store_clipped(out + i * pitch, packed(a >> 12, b >> 12));
            }
        }
    }
}

void shift_tile(const uint8_t* whole, ptrdiff_t pitch, uint8_t* const* planes) {
    alignas(64) int16_t across[3][SPAN * TILE_COLUMNS];
    for (int i = 0; i < SPAN; ++i) {
        const uint8_t* row = whole + (i - BEFORE) * pitch - BEFORE;
        const bool own = i >= BEFORE && i < BEFORE + TILE_ROWS;
        const ptrdiff_t at = (i - BEFORE) * pitch;
        for (int x = 0; x < TILE_COLUMNS; x += STEP) {
            Lanes s[8];
            for (int k = 0; k < 8; ++k) s[k] = widened(row + x + k);
            const Lanes one = filtered<1>(s), two = filtered<2>(s), three = filtered<3>(s);
            store(across[0] + i * TILE_COLUMNS + x, one);
            store(across[1] + i * TILE_COLUMNS + x, two);
            store(across[2] + i * TILE_COLUMNS + x, three);
            if (own) {
                store_clipped(planes[1] + at + x, (one + 32) >> 6);
                store_clipped(planes[2] + at + x, (two + 32) >> 6);
                store_clipped(planes[3] + at + x, (three + 32) >> 6);
            }
        }
    }
    for (int x = 0; x < TILE_COLUMNS; x += STEP) {
        Lanes s[8];
        for (int k = 0; k < 7; ++k) s[k + 1] = widened(whole + (k - BEFORE) * pitch + x);
        for (int i = 0; i < TILE_ROWS; ++i) {
            for (int k = 0; k < 7; ++k) s[k] = s[k + 1];
            s[7] = widened(whole + (i + BEYOND) * pitch + x);
            store_clipped(planes[4] + i * pitch + x, (filtered<1>(s) + 32) >> 6);
            store_clipped(planes[8] + i * pitch + x, (filtered<2>(s) + 32) >> 6);
            store_clipped(planes[12] + i * pitch + x, (filtered<3>(s) + 32) >> 6);
        }
    }
    for (int fx = 1; fx < 4; ++fx) shift_down(across[fx - 1], pitch, planes, fx);
}

}  // namespace

extern const MotionKernels motion_kernels;
const MotionKernels motion_kernels = {sad16,     sad8,    sad16_of_four, sad8_of_four,
                                      squared16, worth16, worth8,        shift_tile};

}  // namespace sc::SC_LEVEL
