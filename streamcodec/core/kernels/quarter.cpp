// SPDX-License-Identifier: Apache-2.0
// Rows of the quarter-sample planes: pairs of samples meet pairs of taps. Sums of a row stay in the
// order that `zip8_low` and `zip8_high` leave, since what is done with them is the same for each.
#include "kernels/compensate.hpp"
#include "kernels/interpolate.hpp"
#include "kernels/pictures.hpp"

namespace sc::SC_LEVEL {

namespace {

using V = Most::V;
using Taps = TapPairs<Most, 8>;
constexpr int HALF = Most::COUNT;      // words of a vector
constexpr int STEP = 2 * Most::COUNT;  // samples of a vector
static_assert(QUARTER_STEP % STEP == 0);

// Eight rows or shifts of samples, two by two: their lower and their upper halves.
struct Pairs {
    V at[4][2];
};

SC_INLINE V byte_sum(const Pairs& pairs, int half, const Taps& taps) {
    const V a = Most::add16(Most::byte_products(pairs.at[0][half], taps.bytes[0]),
                            Most::byte_products(pairs.at[1][half], taps.bytes[1]));
    const V b = Most::add16(Most::byte_products(pairs.at[2][half], taps.bytes[2]),
                            Most::byte_products(pairs.at[3][half], taps.bytes[3]));
    return Most::add16(a, b);
}

SC_INLINE V rounded(V low, V high) {
    const V half = Most::words(32);
    return Most::pack8(Most::right16(Most::add16(low, half), 6),
                       Most::right16(Most::add16(high, half), 6));
}

SC_INLINE V word_sum(const Pairs& pairs, int half, const Taps& taps) {
    V sum = Most::longs(2048);
    for (int k = 0; k < 4; ++k) sum = Most::word_products(sum, pairs.at[k][half], taps.words[k]);
    return Most::right32(sum, 12);
}

}  // namespace

void quarter_across(const uint8_t* row, int count, int16_t* const* wide, uint8_t* const* out) {
    const Taps taps[3] = {Taps(LUMA_TAPS[1]), Taps(LUMA_TAPS[2]), Taps(LUMA_TAPS[3])};
    for (int x = 0; x < count; x += STEP) {
        Pairs pairs;
        for (int k = 0; k < 4; ++k) {
            const V even = Most::load_bytes(row + x + 2 * k - 3);
            const V odd = Most::load_bytes(row + x + 2 * k - 2);
            pairs.at[k][0] = Most::zip8_low(even, odd);
            pairs.at[k][1] = Most::zip8_high(even, odd);
        }
        for (int f = 0; f < 3; ++f) {
            const V low = byte_sum(pairs, 0, taps[f]);
            const V high = byte_sum(pairs, 1, taps[f]);
            Most::store_words(wide[f] + x, low);
            Most::store_words(wide[f] + x + HALF, high);
            Most::store_bytes(out[f] + x, rounded(low, high));
        }
    }
}

void quarter_down(const QuarterRows& rows, int count, uint8_t* const* out) {
    const Taps taps[3] = {Taps(LUMA_TAPS[1]), Taps(LUMA_TAPS[2]), Taps(LUMA_TAPS[3])};
    for (int x = 0; x < count; x += STEP) {
        Pairs pairs;
        for (int k = 0; k < 4; ++k) {
            const V even = Most::load_bytes(rows.plain[2 * k] + x);
            const V odd = Most::load_bytes(rows.plain[2 * k + 1] + x);
            pairs.at[k][0] = Most::zip8_low(even, odd);
            pairs.at[k][1] = Most::zip8_high(even, odd);
        }
        for (int f = 0; f < 3; ++f) {
            Most::store_bytes(out[4 * f] + x, rounded(byte_sum(pairs, 0, taps[f]),
                                                      byte_sum(pairs, 1, taps[f])));
        }
        for (int fx = 0; fx < 3; ++fx) {
            V sums[3][2];
            for (int half = 0; half < 2; ++half) {
                Pairs wide;
                for (int k = 0; k < 4; ++k) {
                    const V even = Most::load_words(rows.wide[fx][2 * k] + x + HALF * half);
                    const V odd = Most::load_words(rows.wide[fx][2 * k + 1] + x + HALF * half);
                    wide.at[k][0] = Most::zip16_low(even, odd);
                    wide.at[k][1] = Most::zip16_high(even, odd);
                }
                for (int f = 0; f < 3; ++f) {
                    sums[f][half] =
                        Most::pack16(word_sum(wide, 0, taps[f]), word_sum(wide, 1, taps[f]));
                }
            }
            for (int f = 0; f < 3; ++f) {
                Most::store_bytes(out[4 * f + fx + 1] + x, Most::pack8(sums[f][0], sums[f][1]));
            }
        }
    }
}

}  // namespace sc::SC_LEVEL
