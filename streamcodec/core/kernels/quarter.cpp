// SPDX-License-Identifier: Apache-2.0
// Rows of the quarter-sample planes. The plain path says what is computed; the vector path takes
// pairs of taps at once and is four times as quick.
#include "kernels/compensate.hpp"
#include "kernels/pictures.hpp"

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace sc::SC_LEVEL {

#ifndef __AVX2__

void quarter_across(const uint8_t* row, int count, int16_t* const* wide, uint8_t* const* out) {
    for (int fx = 1; fx < 4; ++fx) {
        const int16_t* taps = LUMA_TAPS[fx];
        int16_t* __restrict sums = wide[fx - 1];
        uint8_t* __restrict done = out[fx - 1];
        for (int x = 0; x < count; x += QUARTER_STEP) {
            for (int j = x; j < x + QUARTER_STEP; ++j) {
                int16_t sum = 0;
                for (int k = 0; k < 8; ++k) {
                    sum = static_cast<int16_t>(sum + static_cast<int16_t>(row[j + k - 3] * taps[k]));
                }
                sums[j] = sum;
                done[j] = sample((sum + 32) >> 6);
            }
        }
    }
}

void quarter_down(const QuarterRows& rows, int count, uint8_t* const* out) {
    for (int fy = 1; fy < 4; ++fy) {
        const int16_t* taps = LUMA_TAPS[fy];
        uint8_t* __restrict straight = out[4 * (fy - 1)];
        for (int x = 0; x < count; x += QUARTER_STEP) {
            int16_t sums[QUARTER_STEP];
            for (int j = 0; j < QUARTER_STEP; ++j) sums[j] = 32;
            for (int k = 0; k < 8; ++k) {
                for (int j = 0; j < QUARTER_STEP; ++j) {
                    sums[j] = static_cast<int16_t>(
                        sums[j] + static_cast<int16_t>(rows.plain[k][x + j] * taps[k]));
                }
            }
            for (int j = 0; j < QUARTER_STEP; ++j) straight[x + j] = sample(sums[j] >> 6);
        }
        for (int fx = 1; fx < 4; ++fx) {
            const int16_t* const* wide = rows.wide[fx - 1];
            uint8_t* __restrict both = out[4 * (fy - 1) + fx];
            for (int x = 0; x < count; x += QUARTER_STEP) {
                int32_t sums[QUARTER_STEP];
                for (int j = 0; j < QUARTER_STEP; ++j) sums[j] = 2048;
                for (int k = 0; k < 8; ++k) {
                    const int16_t* at = wide[k] + x;
                    for (int j = 0; j < QUARTER_STEP; ++j) sums[j] += at[j] * taps[k];
                }
                for (int j = 0; j < QUARTER_STEP; ++j) both[x + j] = sample(sums[j] >> 12);
            }
        }
    }
}

#else

namespace {

using V = __m256i;

SC_INLINE V load(const void* at) { return _mm256_loadu_si256(static_cast<const V*>(at)); }
SC_INLINE void store(void* at, V value) { _mm256_storeu_si256(static_cast<V*>(at), value); }

// Taps 2k and 2k + 1 as pairs of bytes, or of words, all along a vector.
SC_INLINE V byte_pair(int f, int k) {
    const int low = LUMA_TAPS[f][2 * k] & 255;
    const int high = LUMA_TAPS[f][2 * k + 1] & 255;
    return _mm256_set1_epi16(static_cast<short>(low | (high << 8)));
}
SC_INLINE V word_pair(int f, int k) {
    const unsigned low = static_cast<uint16_t>(LUMA_TAPS[f][2 * k]);
    const unsigned high = static_cast<uint16_t>(LUMA_TAPS[f][2 * k + 1]);
    return _mm256_set1_epi32(static_cast<int>(low | (high << 16)));
}

// Eight rows or shifts of 32 samples, two by two: [k][0] has samples 0-7 and 16-23, [k][1] the rest.
struct Pairs {
    V at[4][2];
};

// No sum of two products leaves 16 bits (at most 80 * 255), so that nothing saturates.
SC_INLINE V byte_sum(const Pairs& pairs, int half, const V* taps) {
    const V a = _mm256_add_epi16(_mm256_maddubs_epi16(pairs.at[0][half], taps[0]),
                                 _mm256_maddubs_epi16(pairs.at[1][half], taps[1]));
    const V b = _mm256_add_epi16(_mm256_maddubs_epi16(pairs.at[2][half], taps[2]),
                                 _mm256_maddubs_epi16(pairs.at[3][half], taps[3]));
    return _mm256_add_epi16(a, b);
}

SC_INLINE V rounded(V low, V high) {
    const V half = _mm256_set1_epi16(32);
    return _mm256_packus_epi16(_mm256_srai_epi16(_mm256_add_epi16(low, half), 6),
                               _mm256_srai_epi16(_mm256_add_epi16(high, half), 6));
}

SC_INLINE V multiplied(V sum, V a, V b) {
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
    return _mm256_dpwssd_epi32(sum, a, b);
#else
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
#endif
}

SC_INLINE V word_sum(const Pairs& pairs, int half, const V* taps) {
    V sum = _mm256_set1_epi32(2048);
    for (int k = 0; k < 4; ++k) sum = multiplied(sum, pairs.at[k][half], taps[k]);
    return _mm256_srai_epi32(sum, 12);
}

}  // namespace

void quarter_across(const uint8_t* row, int count, int16_t* const* wide, uint8_t* const* out) {
    V taps[3][4];
    for (int f = 0; f < 3; ++f) {
        for (int k = 0; k < 4; ++k) taps[f][k] = byte_pair(f + 1, k);
    }
    for (int x = 0; x < count; x += QUARTER_STEP) {
        Pairs pairs;
        for (int k = 0; k < 4; ++k) {
            const V even = load(row + x + 2 * k - 3);
            const V odd = load(row + x + 2 * k - 2);
            pairs.at[k][0] = _mm256_unpacklo_epi8(even, odd);
            pairs.at[k][1] = _mm256_unpackhi_epi8(even, odd);
        }
        for (int f = 0; f < 3; ++f) {
            const V low = byte_sum(pairs, 0, taps[f]);
            const V high = byte_sum(pairs, 1, taps[f]);
            store(wide[f] + x, low);
            store(wide[f] + x + 16, high);
            store(out[f] + x, rounded(low, high));
        }
    }
}

void quarter_down(const QuarterRows& rows, int count, uint8_t* const* out) {
    V bytes[3][4];
    V words[3][4];
    for (int f = 0; f < 3; ++f) {
        for (int k = 0; k < 4; ++k) {
            bytes[f][k] = byte_pair(f + 1, k);
            words[f][k] = word_pair(f + 1, k);
        }
    }
    for (int x = 0; x < count; x += QUARTER_STEP) {
        Pairs pairs;
        for (int k = 0; k < 4; ++k) {
            const V even = load(rows.plain[2 * k] + x);
            const V odd = load(rows.plain[2 * k + 1] + x);
            pairs.at[k][0] = _mm256_unpacklo_epi8(even, odd);
            pairs.at[k][1] = _mm256_unpackhi_epi8(even, odd);
        }
        for (int f = 0; f < 3; ++f) {
            store(out[4 * f] + x,
                  rounded(byte_sum(pairs, 0, bytes[f]), byte_sum(pairs, 1, bytes[f])));
        }
        for (int fx = 0; fx < 3; ++fx) {
            V sums[3][2];
            for (int half = 0; half < 2; ++half) {
                Pairs wide;
                for (int k = 0; k < 4; ++k) {
                    const V even = load(rows.wide[fx][2 * k] + x + 16 * half);
                    const V odd = load(rows.wide[fx][2 * k + 1] + x + 16 * half);
                    wide.at[k][0] = _mm256_unpacklo_epi16(even, odd);
                    wide.at[k][1] = _mm256_unpackhi_epi16(even, odd);
                }
                for (int f = 0; f < 3; ++f) {
                    sums[f][half] = _mm256_packs_epi32(word_sum(wide, 0, words[f]),
                                                       word_sum(wide, 1, words[f]));
                }
            }
            for (int f = 0; f < 3; ++f) {
                store(out[4 * f + fx + 1] + x, _mm256_packus_epi16(sums[f][0], sums[f][1]));
            }
        }
    }
}

#endif

}  // namespace sc::SC_LEVEL
