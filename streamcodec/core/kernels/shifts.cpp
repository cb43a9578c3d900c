// SPDX-License-Identifier: Apache-2.0
// All fifteen quarter-sample shifts of a tile: pairs of samples meet pairs of taps.
//
// Sums of a row stay in the order that `zip8_low` and `zip8_high` leave, since what is done with them
// is the same for each; packing them puts that right.
#include "kernels/compensate.hpp"
#include "kernels/interpolate.hpp"
#include "kernels/motion.hpp"

namespace sc::SC_LEVEL {

namespace {

using L = Widest;
using V = L::V;
using Taps = TapPairs<L, 8>;
constexpr int BEFORE = 3, BEYOND = 4;  // samples that a filter reads around its own
constexpr int SPAN = BEFORE + TILE_ROWS + BEYOND;
constexpr int HALF = L::COUNT;      // words of a vector
constexpr int STEP = 2 * L::COUNT;  // samples of a vector
static_assert(TILE_COLUMNS % STEP == 0);

// Samples two by two: their lower and their upper halves.
struct Pair {
    V half[2];
};
SC_INLINE Pair zipped8(V even, V odd) { return {{L::zip8_low(even, odd), L::zip8_high(even, odd)}}; }
SC_INLINE Pair zipped16(V even, V odd) {
    return {{L::zip16_low(even, odd), L::zip16_high(even, odd)}};
}

// Four pairs, `step` apart, filtered: at most 112 * 255, so it fits.
SC_INLINE V byte_sum(const Pair* pairs, int step, int half, const Taps& taps) {
    const V a = L::add16(L::byte_products(pairs[0].half[half], taps.bytes[0]),
                         L::byte_products(pairs[step].half[half], taps.bytes[1]));
    const V b = L::add16(L::byte_products(pairs[2 * step].half[half], taps.bytes[2]),
                         L::byte_products(pairs[3 * step].half[half], taps.bytes[3]));
    return L::add16(a, b);
}

SC_INLINE V rounded(V low, V high) {
    const V half = L::words(32);
    return L::pack8(L::right16(L::add16(low, half), 6), L::right16(L::add16(high, half), 6));
}

SC_INLINE V word_sum(const Pair* pairs, int half, const Taps& taps) {
    V sum = L::longs(2048);
    for (int k = 0; k < 4; ++k) sum = L::word_products(sum, pairs[2 * k].half[half], taps.words[k]);
    return L::right32(sum, 12);
}

// Fractions FIRST, FIRST + STRIDE, ... below 4: all three quarters, or the half alone.
struct Quarters {
    static constexpr int FIRST = 1, STRIDE = 1;
};
struct Half {
    static constexpr int FIRST = 2, STRIDE = 2;
};

// Rows `across` (SPAN of them, shifted by fx already) shifted down by the fractions.
template <class F>
SC_INLINE void shift_down(const int16_t* across, ptrdiff_t pitch, uint8_t* const* planes, int fx,
                          const Taps* taps) {
    for (int x = 0; x < TILE_COLUMNS; x += STEP) {
        Pair pairs[2][SPAN - 1];  // rows i and i + 1
        for (int side = 0; side < 2; ++side) {
            const int16_t* at = across + x + HALF * side;
            V upper = L::load_words(at);
            for (int i = 0; i + 1 < SPAN; ++i) {
                const V lower = L::load_words(at + (i + 1) * TILE_COLUMNS);
                pairs[side][i] = zipped16(upper, lower);
                upper = lower;
            }
        }
        for (int fy = F::FIRST; fy < 4; fy += F::STRIDE) {
            uint8_t* out = planes[4 * fy + fx] + x;
            for (int i = 0; i < TILE_ROWS; ++i) {
                V sums[2];
                for (int side = 0; side < 2; ++side) {
                    sums[side] = L::pack16(word_sum(&pairs[side][i], 0, taps[fy]),
                                           word_sum(&pairs[side][i], 1, taps[fy]));
                }
                L::store_bytes(out + i * pitch, L::pack8(sums[0], sums[1]));
            }
        }
    }
}

template <class F>
SC_INLINE void shift(const uint8_t* whole, ptrdiff_t pitch, uint8_t* const* planes) {
    const Taps taps[4] = {Taps(LUMA_TAPS[0]), Taps(LUMA_TAPS[1]), Taps(LUMA_TAPS[2]),
                          Taps(LUMA_TAPS[3])};
    alignas(64) int16_t across[3][SPAN * TILE_COLUMNS];
    for (int i = 0; i < SPAN; ++i) {
        const ptrdiff_t at = (i - BEFORE) * pitch;
        const uint8_t* row = whole + at - BEFORE;
        const bool own = i >= BEFORE && i < BEFORE + TILE_ROWS;
        for (int x = 0; x < TILE_COLUMNS; x += STEP) {
            Pair pairs[4];
            for (int k = 0; k < 4; ++k) {
                pairs[k] = zipped8(L::load_bytes(row + x + 2 * k), L::load_bytes(row + x + 2 * k + 1));
            }
            for (int fx = F::FIRST; fx < 4; fx += F::STRIDE) {
                const V low = byte_sum(pairs, 1, 0, taps[fx]);
                const V high = byte_sum(pairs, 1, 1, taps[fx]);
                int16_t* to = across[fx - 1] + i * TILE_COLUMNS + x;
                L::store_words(to, low);
                L::store_words(to + HALF, high);
                if (own) L::store_bytes(planes[fx] + at + x, rounded(low, high));
            }
        }
    }
    for (int x = 0; x < TILE_COLUMNS; x += STEP) {
        Pair pairs[SPAN - 1];  // rows i and i + 1
        V upper = L::load_bytes(whole - BEFORE * pitch + x);
        for (int i = 0; i + 1 < SPAN; ++i) {
            const V lower = L::load_bytes(whole + (i + 1 - BEFORE) * pitch + x);
            pairs[i] = zipped8(upper, lower);
            upper = lower;
        }
        for (int fy = F::FIRST; fy < 4; fy += F::STRIDE) {
            for (int i = 0; i < TILE_ROWS; ++i) {
                L::store_bytes(planes[4 * fy] + i * pitch + x,
                               rounded(byte_sum(pairs + i, 2, 0, taps[fy]),
                                       byte_sum(pairs + i, 2, 1, taps[fy])));
            }
        }
    }
    for (int fx = F::FIRST; fx < 4; fx += F::STRIDE) {
        shift_down<F>(across[fx - 1], pitch, planes, fx, taps);
    }
}

}  // namespace

void shift_tile(const uint8_t* whole, ptrdiff_t pitch, uint8_t* const* planes) {
    shift<Quarters>(whole, pitch, planes);
}

void halve_tile(const uint8_t* whole, ptrdiff_t pitch, uint8_t* const* planes) {
    shift<Half>(whole, pitch, planes);
}

}  // namespace sc::SC_LEVEL
