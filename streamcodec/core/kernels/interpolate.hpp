// SPDX-License-Identifier: Apache-2.0
// The interpolation filters in x86 vectors: eight or sixteen columns of luma, eight of chroma, or
// four of both chroma planes side by side. Two taps meet two samples in one instruction.
#pragma once

#include "kernels/lanes.hpp"

namespace sc::SC_LEVEL {

// Pairs of neighbours (2k, 2k + 1) of each of eight columns, whose first sample is byte `first`.
SC_INLINE __m128i column_pairs(__m128i bytes, int first) {
    const __m128i order = _mm_setr_epi8(0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8);
    return _mm_shuffle_epi8(bytes, _mm_add_epi8(order, _mm_set1_epi8(static_cast<char>(first))));
}

struct LumaEight : Eight {
    static constexpr int TAPS = 8;
    const uint8_t* from;
    ptrdiff_t from_pitch;
    uint8_t* out;
    ptrdiff_t out_pitch;

    V across(int i) const { return load16(from + i * from_pitch - 4); }
    static V pairs(V bytes, int k) { return column_pairs(bytes, 1 + 2 * k); }
    __m128i line(int i) const { return load8(from + i * from_pitch); }
    static V zip(__m128i a, __m128i b) { return _mm_unpacklo_epi8(a, b); }
    void put(int i, V value) const { Eight::put(out + i * out_pitch, value); }
};

struct ChromaEight : LumaEight {
    static constexpr int TAPS = 4;
    // Samples -1 to 6, then 2 to 9.
    V across(int i) const {
        const uint8_t* row = from + i * from_pitch;
        return _mm_unpacklo_epi64(load8(row - 1), load8(row + 2));
    }
    static V pairs(V bytes, int k) {
        return _mm_shuffle_epi8(
            bytes, k ? _mm_setr_epi8(2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 13, 13, 14, 14, 15)
                     : _mm_setr_epi8(0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 13));
    }
};

// Four columns of each chroma plane.
struct ChromaFour : Eight {
    static constexpr int TAPS = 4;
    const uint8_t* from[2];
    ptrdiff_t from_pitch[2];
    uint8_t* out[2];
    ptrdiff_t out_pitch[2];

    // Of each plane: samples -1 to 2, then 2 to 5.
    V across(int i) const {
        const uint8_t* u = from[0] + i * from_pitch[0];
        const uint8_t* v = from[1] + i * from_pitch[1];
        return _mm_unpacklo_epi64(_mm_unpacklo_epi32(load4(u - 1), load4(u + 2)),
                                  _mm_unpacklo_epi32(load4(v - 1), load4(v + 2)));
    }
    static V pairs(V bytes, int k) {
        return _mm_shuffle_epi8(
            bytes, k ? _mm_setr_epi8(2, 3, 3, 5, 5, 6, 6, 7, 10, 11, 11, 13, 13, 14, 14, 15)
                     : _mm_setr_epi8(0, 1, 1, 2, 2, 3, 3, 5, 8, 9, 9, 10, 10, 11, 11, 13));
    }
    __m128i line(int i) const {
        return _mm_unpacklo_epi32(load4(from[0] + i * from_pitch[0]),
                                  load4(from[1] + i * from_pitch[1]));
    }
    static V zip(__m128i a, __m128i b) { return _mm_unpacklo_epi8(a, b); }
    void put(int i, V value) const {
        const __m128i bytes = _mm_packus_epi16(value, value);
        const int32_t u = _mm_cvtsi128_si32(bytes);
        const int32_t v = _mm_extract_epi32(bytes, 1);
        memcpy(out[0] + i * out_pitch[0], &u, 4);
        memcpy(out[1] + i * out_pitch[1], &v, 4);
    }
};

#ifdef __AVX2__

struct LumaSixteen : Sixteen {
    static constexpr int TAPS = 8;
    const uint8_t* from;
    ptrdiff_t from_pitch;
    uint8_t* out;
    ptrdiff_t out_pitch;

    V across(int i) const {
        const uint8_t* row = from + i * from_pitch;
        return joined(load16(row - 4), load16(row + 4));
    }
    static V pairs(V bytes, int k) {
        const V order = _mm256_broadcastsi128_si256(
            _mm_setr_epi8(1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9));
        const V by = _mm256_set1_epi8(static_cast<char>(2 * k));
        return _mm256_shuffle_epi8(bytes, _mm256_add_epi8(order, by));
    }
    __m128i line(int i) const { return load16(from + i * from_pitch); }
    static V zip(__m128i a, __m128i b) {
        return joined(_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b));
    }
    void put(int i, V value) const { Sixteen::put(out + i * out_pitch, value); }
};

#endif

// Taps two by two, as bytes and as words.
template <class L>
struct TapPairs {
    typename L::V bytes[L::TAPS / 2];
    typename L::V words[L::TAPS / 2];

    explicit TapPairs(const int16_t* taps) {
        for (int k = 0; k < L::TAPS / 2; ++k) {
            const unsigned low = static_cast<uint16_t>(taps[2 * k]);
            const unsigned high = static_cast<uint16_t>(taps[2 * k + 1]);
            bytes[k] = L::words(static_cast<int>((low & 255) | ((high & 255) << 8)));
            words[k] = L::longs(static_cast<int>(low | (high << 16)));
        }
    }
};

// The sum along a row, not rounded. No sum of two products leaves 16 bits.
template <class L>
SC_INLINE typename L::V row_sum(const L& lanes, int i, const TapPairs<L>& taps) {
    const auto bytes = lanes.across(i);
    auto sum = L::byte_products(L::pairs(bytes, 0), taps.bytes[0]);
    for (int k = 1; k < L::TAPS / 2; ++k) {
        sum = L::add16(sum, L::byte_products(L::pairs(bytes, k), taps.bytes[k]));
    }
    return sum;
}

template <class L>
SC_INLINE void filter_across(const L& lanes, int rows, const int16_t* across) {
    const TapPairs<L> taps(across);
    for (int i = 0; i < rows; ++i) {
        lanes.put(i, L::right16(L::add16(row_sum(lanes, i, taps), L::words(32)), 6));
    }
}

template <class L>
SC_INLINE void filter_down(const L& lanes, int rows, const int16_t* down) {
    constexpr int HALF = L::TAPS / 2;
    const TapPairs<L> taps(down);
    typename L::V zipped[16 + L::TAPS - 2];  // rows i and i + 1
    auto last = lanes.line(1 - HALF);
    for (int i = 0; i < rows + L::TAPS - 2; ++i) {
        const auto next = lanes.line(i + 2 - HALF);
        zipped[i] = L::zip(last, next);
        last = next;
    }
    for (int i = 0; i < rows; ++i) {
        auto sum = L::words(32);
        for (int k = 0; k < HALF; ++k) {
            sum = L::add16(sum, L::byte_products(zipped[i + 2 * k], taps.bytes[k]));
        }
        lanes.put(i, L::right16(sum, 6));
    }
}

template <class L>
SC_INLINE void filter_both(const L& lanes, int rows, const int16_t* down, const int16_t* across) {
    constexpr int HALF = L::TAPS / 2;
    const TapPairs<L> taps(across);
    typename L::V low[16 + L::TAPS - 2];  // rows i and i + 1
    typename L::V high[16 + L::TAPS - 2];
    auto last = row_sum(lanes, 1 - HALF, taps);
    for (int i = 0; i < rows + L::TAPS - 2; ++i) {
        const auto next = row_sum(lanes, i + 2 - HALF, taps);
        low[i] = L::low(last, next);
        high[i] = L::high(last, next);
        last = next;
    }
    const TapPairs<L> below(down);
    for (int i = 0; i < rows; ++i) {
        auto first = L::longs(2048);
        auto second = first;
        for (int k = 0; k < HALF; ++k) {
            first = L::add32(first, L::word_products(low[i + 2 * k], below.words[k]));
            second = L::add32(second, L::word_products(high[i + 2 * k], below.words[k]));
        }
        lanes.put(i, L::narrow(L::right32(first, 12), L::right32(second, 12)));
    }
}

// One or both directions; a null pointer stands for whole samples.
template <class L>
SC_INLINE void filter_block(const L& lanes, int rows, const int16_t* down, const int16_t* across) {
    if (down == nullptr) {
        filter_across(lanes, rows, across);
    } else if (across == nullptr) {
        filter_down(lanes, rows, down);
    } else {
        filter_both(lanes, rows, down, across);
    }
}

}  // namespace sc::SC_LEVEL
