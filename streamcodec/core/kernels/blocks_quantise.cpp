// SPDX-License-Identifier: Apache-2.0
// Loops over the channels of a block: which levels are not zero, and what zeros cost.
#include "kernels/blocks_parts.hpp"
#include "kernels/floats.hpp"

namespace sc::SC_LEVEL {
namespace {

// Which of sixteen coefficients round to at least one step, a bit each.
SC_INLINE uint32_t large16(const float* coefficients, const float* inverse_steps,
                           float rounding = 0.5F) {
#if defined(__AVX512F__)
    const __m512 size = _mm512_abs_ps(
        _mm512_mul_ps(_mm512_loadu_ps(coefficients), _mm512_loadu_ps(inverse_steps)));
    return _mm512_cmp_ps_mask(_mm512_add_ps(size, _mm512_set1_ps(rounding)), _mm512_set1_ps(1.0F),
                              _CMP_GE_OQ);
#elif defined(__AVX__)
    uint32_t bits = 0;
    for (int half = 0; half < 2; ++half) {
        const Floats size = absolute(load<Floats>(coefficients + 8 * half) *
                                     load<Floats>(inverse_steps + 8 * half));
        bits |= static_cast<uint32_t>(_mm256_movemask_ps((__m256)(size + rounding >= 1.0F)))
                << (8 * half);
    }
    return bits;
#else
    uint32_t bits = 0;
    for (int i = 0; i < 16; ++i) {
        const float size = __builtin_fabsf(coefficients[i] * inverse_steps[i]);
        bits |= static_cast<uint32_t>(size + rounding >= 1.0F) << i;
    }
    return bits;
#endif
}

// Append the numbers of the bits that are set, counted from `first`: at most sixteen. Writes beyond
// what it appends, up to sixteen in all.
SC_INLINE int append(uint16_t* channels, int found, int first, uint32_t bits) {
#if defined(__AVX512F__)
    const __m512i count = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i all = _mm512_add_epi32(count, _mm512_set1_epi32(first));
    const __m512i some = _mm512_maskz_compress_epi32(static_cast<__mmask16>(bits), all);
    _mm256_storeu_si256((__m256i*)(channels + found), _mm512_cvtepi32_epi16(some));
    return found + __builtin_popcount(bits);
#else
    while (bits) {
        channels[found++] = static_cast<uint16_t>(first + __builtin_ctz(bits));
        bits &= bits - 1;
    }
    return found;
#endif
}

}  // namespace

bool quantise_plain(const float* coefficients, const float* inverse_steps, int count,
                    float rounding, int most, int16_t* symbols) {
    int any = 0;
    for (int c = 0; c < count; ++c) {
        const float x = coefficients[c] * inverse_steps[c];
        const int level = least(static_cast<int>(__builtin_fabsf(x) + rounding), most);
        any |= level;
        symbols[c] = static_cast<int16_t>(x > 0 ? level : -level);
    }
    return any != 0;
}

int groups(const float* coefficients, const float* inverse_steps, float rounding) {
    // From the last on: most blocks that are coded have one there.
    for (int c = 384 - 16; c >= 0; c -= 16) {
        const uint32_t bits = large16(coefficients + c, inverse_steps + c, rounding);
        if (bits == 0) continue;
        const int last = c + 31 - __builtin_clz(bits);
        return last >= 96 ? 4 : last >= 24 ? 3 : last >= 6 ? 2 : 1;
    }
    return 0;
}

int large(const float* coefficients, const float* inverse_steps, int count, uint16_t* channels) {
    int found = 0;
    int c = 0;
    for (; c + 16 <= count; c += 16) {
        found = append(channels, found, c, large16(coefficients + c, inverse_steps + c));
    }
    for (; c < count; ++c) {
        const float size = __builtin_fabsf(coefficients[c] * inverse_steps[c]);
        if (size + 0.5F >= 1.0F) channels[found++] = static_cast<uint16_t>(c);
    }
    return found;
}

int nonzero(const int16_t* symbols, int count, uint16_t* channels) {
    int found = 0;
#if defined(__AVX512BW__)
    for (int c = 0; c < count; c += 32) {
        const __m512i all = _mm512_loadu_si512(symbols + c);
        const uint32_t bits = _mm512_test_epi16_mask(all, all);
        if (bits == 0) continue;
        found = append(channels, found, c, bits & 65535);
        found = append(channels, found, c + 16, bits >> 16);
    }
#elif defined(__AVX2__)
    for (int c = 0; c < count; c += 16) {
        const __m256i all = _mm256_loadu_si256((const __m256i*)(symbols + c));
        const __m256i none = _mm256_cmpeq_epi16(all, _mm256_setzero_si256());
        uint32_t bits = ~static_cast<uint32_t>(_mm256_movemask_epi8(none)) & 0x55555555U;
        while (bits) {
            channels[found++] = static_cast<uint16_t>(c + __builtin_ctz(bits) / 2);
            bits &= bits - 1;
        }
    }
#else
    for (int c = 0; c < count; c += 4) {
        if (load<uint64_t>(symbols + c) == 0) continue;
        for (int k = c; k < c + 4; ++k) {
            channels[found] = static_cast<uint16_t>(k);
            found += symbols[k] != 0;
        }
    }
#endif
    while (found && channels[found - 1] >= count) --found;
    return found;
}

int sum_prices(const uint8_t* tables, int count, const uint16_t* prices) {
#if defined(__AVX512BW__)
    // All 64 prices in two registers: 32 look-ups at once, three times as fast as one
    // after the other.
    const __m512i low = _mm512_loadu_si512(prices), high = _mm512_loadu_si512(prices + 32);
    const __m512i ones = _mm512_set1_epi16(1);
    __m512i sums = _mm512_setzero_si512();
    for (int c = 0; c < count; c += 32) {
        const uint32_t rest = count - c < 32 ? (1U << (count - c)) - 1 : ~0U;
        const __m256i which = _mm256_maskz_loadu_epi8(rest, tables + c);
        const __m512i found = _mm512_permutex2var_epi16(low, _mm512_cvtepu8_epi16(which), high);
        sums = _mm512_add_epi32(sums, _mm512_madd_epi16(_mm512_maskz_mov_epi16(rest, found), ones));
    }
    return _mm512_reduce_add_epi32(sums);
#else
    int total = 0;
    for (int c = 0; c < count; ++c) total += prices[tables[c] & 63];
    return total;
#endif
}

}  // namespace sc::SC_LEVEL
