// SPDX-License-Identifier: Apache-2.0
// The interpolation filters: eight or sixteen columns of luma, eight of chroma, or four of both
// chroma planes side by side. Two taps meet two samples in one instruction.
#pragma once

#include "kernels/lanes.hpp"

namespace sc::SC_LEVEL {

// A source of rows says: `across`, the bytes that a row's sums are made of; `pairs`, the neighbours
// 2k and 2k + 1 of each column; `line`, the samples of a row; `zip`, those of two rows in turn.
struct LumaEight : Eight {
    static constexpr int TAPS = 8;
    const uint8_t* from;
    ptrdiff_t from_pitch;
    uint8_t* out;
    ptrdiff_t out_pitch;

    V across(int i) const { return load16(from + i * from_pitch - 4); }
    template <int K>
    static V pairs(V bytes) {
        constexpr int F = 1 + 2 * K;
        return picked<F, F + 1, F + 1, F + 2, F + 2, F + 3, F + 3, F + 4, F + 4, F + 5, F + 5,
                      F + 6, F + 6, F + 7, F + 7, F + 8>(bytes);
    }
    V line(int i) const { return load8(from + i * from_pitch); }
    static V zip(V a, V b) { return zip8_low(a, b); }
    void put_row(int i, V value) const { put(out + i * out_pitch, value); }
};

struct ChromaEight : Eight {
    static constexpr int TAPS = 4;
    const uint8_t* from;
    ptrdiff_t from_pitch;
    uint8_t* out;
    ptrdiff_t out_pitch;

    // Samples -1 to 6, then 2 to 9.
    V across(int i) const {
        const uint8_t* row = from + i * from_pitch;
        return halves_low(load8(row - 1), load8(row + 2));
    }
    template <int K>
    static V pairs(V bytes) {
        if constexpr (K == 0) {
            return picked<0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 13>(bytes);
        } else {
            return picked<2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 13, 13, 14, 14, 15>(bytes);
        }
    }
    V line(int i) const { return load8(from + i * from_pitch); }
    static V zip(V a, V b) { return zip8_low(a, b); }
    void put_row(int i, V value) const { put(out + i * out_pitch, value); }
};

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
        return halves_low(zip32_low(load4(u - 1), load4(u + 2)),
                          zip32_low(load4(v - 1), load4(v + 2)));
    }
    template <int K>
    static V pairs(V bytes) {
        if constexpr (K == 0) {
            return picked<0, 1, 1, 2, 2, 3, 3, 5, 8, 9, 9, 10, 10, 11, 11, 13>(bytes);
        } else {
            return picked<2, 3, 3, 5, 5, 6, 6, 7, 10, 11, 11, 13, 13, 14, 14, 15>(bytes);
        }
    }
    V line(int i) const {
        return zip32_low(load4(from[0] + i * from_pitch[0]), load4(from[1] + i * from_pitch[1]));
    }
    static V zip(V a, V b) { return zip8_low(a, b); }
    void put_row(int i, V value) const {
        uint8_t both_rows[8];
        put(both_rows, value);
        memcpy(out[0] + i * out_pitch[0], both_rows, 4);
        memcpy(out[1] + i * out_pitch[1], both_rows + 4, 4);
    }
};

#if defined(SC_LANES_X86) && defined(__AVX2__)

struct LumaSixteen : Sixteen {
    static constexpr int TAPS = 8;
    const uint8_t* from;
    ptrdiff_t from_pitch;
    uint8_t* out;
    ptrdiff_t out_pitch;

    V across(int i) const {
        const uint8_t* row = from + i * from_pitch;
        return joined(Eight::load16(row - 4), Eight::load16(row + 4));
    }
    template <int K>
    static V pairs(V bytes) {
        constexpr int F = 1 + 2 * K;
        return picked<F, F + 1, F + 1, F + 2, F + 2, F + 3, F + 3, F + 4, F + 4, F + 5, F + 5,
                      F + 6, F + 6, F + 7, F + 7, F + 8>(bytes);
    }
    Eight::V line(int i) const { return Eight::load16(from + i * from_pitch); }
    static V zip(Eight::V a, Eight::V b) {
        return joined(Eight::zip8_low(a, b), Eight::zip8_high(a, b));
    }
    void put_row(int i, V value) const { put(out + i * out_pitch, value); }
};

#endif

// Taps two by two, as bytes and as words.
template <class L, int COUNT>
struct TapPairs {
    typename L::V bytes[COUNT / 2];
    typename L::V words[COUNT / 2];

    TapPairs() = default;
    explicit TapPairs(const int16_t* taps) {
        for (int k = 0; k < COUNT / 2; ++k) {
            const unsigned low = static_cast<uint16_t>(taps[2 * k]);
            const unsigned high = static_cast<uint16_t>(taps[2 * k + 1]);
            bytes[k] = L::words(static_cast<int>((low & 255) | ((high & 255) << 8)));
            words[k] = L::longs(static_cast<int>(low | (high << 16)));
        }
    }
};

// The sum along a row, not rounded.
template <class S>
SC_INLINE typename S::V row_sum(const S& source, int i, const TapPairs<S, S::TAPS>& taps) {
    const auto bytes = source.across(i);
    auto sum = S::add16(S::byte_products(S::template pairs<0>(bytes), taps.bytes[0]),
                        S::byte_products(S::template pairs<1>(bytes), taps.bytes[1]));
    if constexpr (S::TAPS == 8) {
        sum = S::add16(sum, S::byte_products(S::template pairs<2>(bytes), taps.bytes[2]));
        sum = S::add16(sum, S::byte_products(S::template pairs<3>(bytes), taps.bytes[3]));
    }
    return sum;
}

template <class S>
SC_INLINE void filter_across(const S& source, int rows, const int16_t* across) {
    const TapPairs<S, S::TAPS> taps(across);
    for (int i = 0; i < rows; ++i) {
        source.put_row(i, S::right16(S::add16(row_sum(source, i, taps), S::words(32)), 6));
    }
}

template <class S>
SC_INLINE void filter_down(const S& source, int rows, const int16_t* down) {
    constexpr int HALF = S::TAPS / 2;
    const TapPairs<S, S::TAPS> taps(down);
    typename S::V zipped[16 + S::TAPS - 2];  // rows i and i + 1
    auto last = source.line(1 - HALF);
    for (int i = 0; i < rows + S::TAPS - 2; ++i) {
        const auto next = source.line(i + 2 - HALF);
        zipped[i] = S::zip(last, next);
        last = next;
    }
    for (int i = 0; i < rows; ++i) {
        auto sum = S::words(32);
        for (int k = 0; k < HALF; ++k) {
            sum = S::add16(sum, S::byte_products(zipped[i + 2 * k], taps.bytes[k]));
        }
        source.put_row(i, S::right16(sum, 6));
    }
}

template <class S>
SC_INLINE void filter_both(const S& source, int rows, const int16_t* down, const int16_t* across) {
    constexpr int HALF = S::TAPS / 2;
    const TapPairs<S, S::TAPS> taps(across);
    typename S::V low[16 + S::TAPS - 2];  // rows i and i + 1
    typename S::V high[16 + S::TAPS - 2];
    auto last = row_sum(source, 1 - HALF, taps);
    for (int i = 0; i < rows + S::TAPS - 2; ++i) {
        const auto next = row_sum(source, i + 2 - HALF, taps);
        low[i] = S::zip16_low(last, next);
        high[i] = S::zip16_high(last, next);
        last = next;
    }
    const TapPairs<S, S::TAPS> below(down);
    for (int i = 0; i < rows; ++i) {
        auto first = S::longs(2048);
        auto second = first;
        for (int k = 0; k < HALF; ++k) {
            first = S::word_products(first, low[i + 2 * k], below.words[k]);
            second = S::word_products(second, high[i + 2 * k], below.words[k]);
        }
        source.put_row(i, S::pack16(S::right32(first, 12), S::right32(second, 12)));
    }
}

// One or both directions; a null pointer stands for whole samples.
template <class S>
SC_INLINE void filter_block(const S& source, int rows, const int16_t* down,
                            const int16_t* across) {
    if (down == nullptr) {
        filter_across(source, rows, across);
    } else if (across == nullptr) {
        filter_down(source, rows, down);
    } else {
        filter_both(source, rows, down, across);
    }
}

}  // namespace sc::SC_LEVEL
