// SPDX-License-Identifier: Apache-2.0
// The loop filter on four rows: classes of 4x4 squares, and weighed differences to neighbours.
#include "kernels/lanes.hpp"
#include "kernels/pictures.hpp"

namespace sc::SC_LEVEL {

namespace {

using Vector = Most::V;
constexpr int SQUARE_ROWS = 4;
constexpr int RUN = Most::COUNT;  // samples that are done at once
constexpr int SQUARES = RUN / 4;

// Class of a square whose absolute second differences add up to `across` and `down`. Activity,
// their mean in eighths of a step, doubles from level to level: (2 * sum) / step >= bound, without
// a division.
SC_INLINE int class_of(int across, int down, int step_q3) {
    const int activity = 2 * (across + down);
    const int level = (activity >= 2 * step_q3) + (activity >= 4 * step_q3) +
                      (activity >= 8 * step_q3) + (activity >= 16 * step_q3);
    const int direction = across > 2 * down ? 1 : (down > 2 * across ? 2 : 0);
    return 3 * level + direction;
}

SC_INLINE void classes(const uint8_t* from, ptrdiff_t pitch, int step_q3, int* found) {
    Vector across = Most::words(0);
    Vector down = across;
    for (int i = 0; i < SQUARE_ROWS; ++i) {
        const uint8_t* row = from + i * pitch;
        const Vector twice = Most::left16(Most::wide(row), 1);
        const Vector beside = Most::add16(Most::wide(row - 1), Most::wide(row + 1));
        const Vector around = Most::add16(Most::wide(row - pitch), Most::wide(row + pitch));
        across = Most::add16(across, Most::size16(Most::sub16(twice, beside)));
        down = Most::add16(down, Most::size16(Most::sub16(twice, around)));
    }
    const Vector one = Most::words(1);
    int32_t a[RUN / 2];
    int32_t d[RUN / 2];
    Most::store_longs(a, Most::word_products(Most::longs(0), across, one));
    Most::store_longs(d, Most::word_products(Most::longs(0), down, one));
    for (int k = 0; k < SQUARES; ++k) {
        found[k] = class_of(a[2 * k] + a[2 * k + 1], d[2 * k] + d[2 * k + 1], step_q3);
    }
}

// Clipped differences to the two samples of a pair, summed.
SC_INLINE Vector difference(const uint8_t* row, ptrdiff_t place, Vector centre, Vector bound) {
    return Most::add16(
        Most::within16(Most::sub16(Most::wide(row + place), centre), bound),
        Most::within16(Most::sub16(Most::wide(row - place), centre), bound));
}

// A pair of weights for each word that zipping leaves: of squares 0 and 2, or 1 and 3.
SC_INLINE Vector weights(const FilterRun& run, const int* found, int k) {
#if defined(SC_LANES_X86) && defined(__AVX2__)
    return Most::joined(Eight::longs(run.pairs[found[0]][k]), Eight::longs(run.pairs[found[2]][k]));
#else
    return Most::longs(run.pairs[found[0]][k]);
#endif
}

// A step of samples in four rows, of which the first `count` (8 or all) are written.
SC_INLINE void filter_step(const FilterRun& run, int x, int count, int16_t bound) {
    const ptrdiff_t pitch = run.from_pitch;
    const ptrdiff_t places[6] = {1, pitch, 2, 2 * pitch, pitch + 1, pitch - 1};
    int found[SQUARES];
    classes(run.from + x, pitch, run.step_q3, found);
    Vector low[3];
    Vector high[3];
    for (int k = 0; k < 3; ++k) {
        low[k] = weights(run, found, k);
        high[k] = weights(run, found + 1, k);
    }
    const Vector most_apart = Most::words(bound);
    for (int i = 0; i < SQUARE_ROWS; ++i) {
        const uint8_t* row = run.from + i * pitch + x;
        const Vector centre = Most::wide(row);
        Vector sum_low = Most::longs(128);
        Vector sum_high = sum_low;
        for (int k = 0; k < 3; ++k) {
            const Vector a = difference(row, places[2 * k], centre, most_apart);
            const Vector b = difference(row, places[2 * k + 1], centre, most_apart);
            sum_low = Most::word_products(sum_low, Most::zip16_low(a, b), low[k]);
            sum_high = Most::word_products(sum_high, Most::zip16_high(a, b), high[k]);
        }
        // Cut to a sample's range twice over, so that the largest weights still end at 0 or 255.
        const Vector move = Most::within16(
            Most::pack16(Most::right32(sum_low, 8), Most::right32(sum_high, 8)), Most::words(255));
        uint8_t* to = run.to + i * run.to_pitch + x;
        if (count == RUN) {
            Most::put(to, Most::add16(centre, move));
        } else {
            uint8_t done[RUN];
            Most::put(done, Most::add16(centre, move));
            memcpy(to, done, 8);
        }
    }
}

}  // namespace

void filter(const FilterRun& run, int16_t bound) {
    for (int x = 0; x < run.count; x += RUN) {
        filter_step(run, x, least(RUN, run.count - x), bound);
    }
}

int32_t gain(const uint8_t* source, const uint8_t* plain, const uint8_t* filtered, int count) {
    int32_t sum = 0;
    for (int j = 0; j < count; ++j) {
        // before**2 - after**2, as a product of two words.
        const int16_t move = static_cast<int16_t>(filtered[j] - plain[j]);
        const int16_t both = static_cast<int16_t>(2 * source[j] - plain[j] - filtered[j]);
        sum += move * both;
    }
    return sum;
}

}  // namespace sc::SC_LEVEL
