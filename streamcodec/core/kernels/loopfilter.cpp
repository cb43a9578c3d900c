// SPDX-License-Identifier: Apache-2.0
// The loop filter on four rows: classes of 4x4 squares, and weighed differences to neighbours.
#include "kernels/level.hpp"
#include "kernels/pictures.hpp"

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace sc::SC_LEVEL {

namespace {

constexpr int ROWS = 4;
constexpr int STEP = 16;  // samples that are done at once

// Class of a square whose absolute second differences add up to `across` and `down`. Activity, their
// mean in eighths of a step, doubles from level to level: (2 * sum) / step >= bound without division.
SC_INLINE int class_of(int across, int down, int step_q3) {
    const int activity = 2 * (across + down);
    const int level = (activity >= 2 * step_q3) + (activity >= 4 * step_q3) +
                      (activity >= 8 * step_q3) + (activity >= 16 * step_q3);
    const int direction = across > 2 * down ? 1 : (down > 2 * across ? 2 : 0);
    return 3 * level + direction;
}

#ifndef __AVX2__

SC_INLINE void classes(const uint8_t* from, ptrdiff_t pitch, int step_q3, int* found) {
    int16_t across[STEP] = {};
    int16_t down[STEP] = {};
    for (int i = 0; i < ROWS; ++i) {
        const uint8_t* row = from + i * pitch;
        for (int j = 0; j < STEP; ++j) {
            const int twice = 2 * row[j];
            const int a = twice - row[j - 1] - row[j + 1];
            const int d = twice - row[j - pitch] - row[j + pitch];
            across[j] = static_cast<int16_t>(across[j] + (a < 0 ? -a : a));
            down[j] = static_cast<int16_t>(down[j] + (d < 0 ? -d : d));
        }
    }
    for (int k = 0; k < STEP / 4; ++k) {
        int a = 0;
        int d = 0;
        for (int j = 4 * k; j < 4 * k + 4; ++j) {
            a += across[j];
            d += down[j];
        }
        found[k] = class_of(a, d, step_q3);
    }
}

// Sixteen samples of four rows, of which the first `count` are written.
SC_INLINE void filter_step(const FilterRun& run, int x, int count, int16_t bound) {
    const ptrdiff_t pitch = run.from_pitch;
    const ptrdiff_t places[6] = {1, pitch, 2, 2 * pitch, pitch + 1, pitch - 1};
    int found[STEP / 4];
    classes(run.from + x, pitch, run.step_q3, found);
    int16_t weights[6][STEP];
    for (int j = 0; j < STEP; ++j) {
        for (int k = 0; k < 6; ++k) {
            const int32_t pair = run.pairs[found[j / 4]][k / 2];
            weights[k][j] = static_cast<int16_t>(k & 1 ? pair >> 16 : pair & 0xffff);
        }
    }
    for (int i = 0; i < ROWS; ++i) {
        const uint8_t* row = run.from + i * pitch + x;
        int32_t sums[STEP];
        for (int j = 0; j < STEP; ++j) sums[j] = 128;
        for (int k = 0; k < 6; ++k) {
            const uint8_t* ahead = row + places[k];
            const uint8_t* behind = row - places[k];
            for (int j = 0; j < STEP; ++j) {
                const int a = clip<int>(ahead[j] - row[j], -bound, bound);
                const int b = clip<int>(behind[j] - row[j], -bound, bound);
                sums[j] += static_cast<int16_t>(a + b) * weights[k][j];
            }
        }
        uint8_t* to = run.to + i * run.to_pitch + x;
        for (int j = 0; j < count; ++j) {
            to[j] = static_cast<uint8_t>(clip(row[j] + (sums[j] >> 8), 0, 255));
        }
    }
}

#else

using V = __m256i;

SC_INLINE V wide(const uint8_t* at) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

SC_INLINE void classes(const uint8_t* from, ptrdiff_t pitch, int step_q3, int* found) {
    V across = _mm256_setzero_si256();
    V down = across;
    for (int i = 0; i < ROWS; ++i) {
        const uint8_t* row = from + i * pitch;
        const V middle = wide(row);
        const V twice = _mm256_add_epi16(middle, middle);
        const V beside = _mm256_add_epi16(wide(row - 1), wide(row + 1));
        const V around = _mm256_add_epi16(wide(row - pitch), wide(row + pitch));
        across = _mm256_add_epi16(across, _mm256_abs_epi16(_mm256_sub_epi16(twice, beside)));
        down = _mm256_add_epi16(down, _mm256_abs_epi16(_mm256_sub_epi16(twice, around)));
    }
    const V one = _mm256_set1_epi16(1);
    // In each half: two squares across, the same two down.
    alignas(32) int32_t sums[8];
    _mm256_store_si256(
        reinterpret_cast<V*>(sums),
        _mm256_hadd_epi32(_mm256_madd_epi16(across, one), _mm256_madd_epi16(down, one)));
    for (int k = 0; k < 4; ++k) {
        const int at = 4 * (k >> 1) + (k & 1);
        found[k] = class_of(sums[at], sums[at + 2], step_q3);
    }
}

// Clipped differences to the two samples of a pair, summed.
SC_INLINE V difference(const uint8_t* row, ptrdiff_t place, V centre, V bound, V least_) {
    const V ahead = _mm256_sub_epi16(wide(row + place), centre);
    const V behind = _mm256_sub_epi16(wide(row - place), centre);
    return _mm256_add_epi16(_mm256_min_epi16(_mm256_max_epi16(ahead, least_), bound),
                            _mm256_min_epi16(_mm256_max_epi16(behind, least_), bound));
}

SC_INLINE V both_halves(int32_t low, int32_t high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_set1_epi32(low)),
                                   _mm_set1_epi32(high), 1);
}

// Sixteen samples of four rows, of which the first `count` are written.
SC_INLINE void filter_step(const FilterRun& run, int x, int count, int16_t bound) {
    const ptrdiff_t pitch = run.from_pitch;
    const ptrdiff_t places[6] = {1, pitch, 2, 2 * pitch, pitch + 1, pitch - 1};
    int found[4];
    classes(run.from + x, pitch, run.step_q3, found);
    // Two differences side by side meet two weights in one word. What unpacking leaves in a vector:
    // squares 0 and 2, or squares 1 and 3.
    V low[3];
    V high[3];
    for (int k = 0; k < 3; ++k) {
        low[k] = both_halves(run.pairs[found[0]][k], run.pairs[found[2]][k]);
        high[k] = both_halves(run.pairs[found[1]][k], run.pairs[found[3]][k]);
    }
    const V most_ = _mm256_set1_epi16(bound);
    const V least_ = _mm256_set1_epi16(static_cast<int16_t>(-bound));
    for (int i = 0; i < ROWS; ++i) {
        const uint8_t* row = run.from + i * pitch + x;
        const V centre = wide(row);
        V sum_low = _mm256_set1_epi32(128);
        V sum_high = sum_low;
        for (int k = 0; k < 3; ++k) {
            const V a = difference(row, places[2 * k], centre, most_, least_);
            const V b = difference(row, places[2 * k + 1], centre, most_, least_);
            sum_low = _mm256_add_epi32(
                sum_low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), low[k]));
            sum_high = _mm256_add_epi32(
                sum_high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), high[k]));
        }
        // Both steps saturate, so that the largest weights still end at 0 or 255.
        const V move =
            _mm256_packs_epi32(_mm256_srai_epi32(sum_low, 8), _mm256_srai_epi32(sum_high, 8));
        const V value = _mm256_adds_epi16(centre, move);
        const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(value),
                                               _mm256_extracti128_si256(value, 1));
        uint8_t* to = run.to + i * run.to_pitch + x;
        if (count == STEP) {
            _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
        } else {
            _mm_storel_epi64(reinterpret_cast<__m128i*>(to), bytes);
        }
    }
}

#endif

}  // namespace

void filter(const FilterRun& run, int16_t bound) {
    for (int x = 0; x < run.count; x += STEP) {
        filter_step(run, x, least(STEP, run.count - x), bound);
    }
}

int32_t gain(const uint8_t* source, const uint8_t* plain, const uint8_t* filtered, int count) {
    int32_t sum = 0;
    for (int j = 0; j < count; ++j) {
        const int before = source[j] - plain[j];
        const int after = source[j] - filtered[j];
        sum += before * before - after * after;
    }
    return sum;
}

}  // namespace sc::SC_LEVEL
