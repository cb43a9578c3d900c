// SPDX-License-Identifier: Apache-2.0
#include "motion/intra_search.hpp"

#include "blocks/transform.hpp"
#include "motion/cost.hpp"

namespace sc {

namespace {

constexpr int CHEAP = 2 * 16;  // price of the hinted mode, in 1/16 bit, and of another
constexpr int DEAR = 6 * 16;

struct ModeSearch {
    const MotionKernels& kernels;
    const Square& square;
    const u8* samples;
    BitWeights bit_weights;
    int hint;
    Edge edge, soft;
    u64 tried = 0;
    IntraChoice best{-1, FAR};

    void offer(int mode) {
        if (mode < 0 || mode >= INTRA_MODES || (tried >> mode & 1)) return;
        tried |= u64{1} << mode;
        alignas(64) u8 guess[BLOCK_PX * BLOCK_PX];
        predict(wants_smooth(mode, square.size) ? soft : edge, square.size, mode, guess, BLOCK_PX);
        int cost = square.size == 16 ? kernels.hadamard16(samples, guess, BLOCK_PX, bit_weights)
                                     : kernels.hadamard8(samples, guess, BLOCK_PX, bit_weights);
        cost += mode == hint ? CHEAP : DEAR;
        if (cost < best.cost) best = {mode, cost};
    }
    // Directions so far to both sides of the best one.
    void offer_beside(int distance) {
        const int centre = best.mode;
        if (centre < 2) return;
        if (centre - distance >= 2) offer(centre - distance);
        offer(centre + distance);
    }
};

// How an 8x8 quarter is best transformed: kind, rough bits of one 8x8, and of that kind. Predicted
// from the source's own neighbours; finer transforms predict each 4x4 square anew.
struct QuarterChoice {
    int kind;
    float eight;
    float least;
};

QuarterChoice transform_of_quarter(Grid<const u8> source, int row, int column, int quarter,
                                   int mode, float inverse_step) {
    u8 guess[64];
    alignas(64) float samples[8 * BLOCK_PX];
    alignas(64) float levels[64];
    const auto subtract = [&](const Square& square) {
        predict_square(source, square, mode, guess, square.size);
        const int down = square.y % 8, right = square.x % 8;
        for (int i = 0; i < square.size; ++i) {
            for (int j = 0; j < square.size; ++j) {
                samples[BLOCK_PX * (down + i) + right + j] =
                    static_cast<float>(source(square.y + i, square.x + j) -
                                       guess[square.size * i + j]);
            }
        }
    };
    subtract(quarter_square(row, column, quarter));
    forward8(samples, BLOCK_PX, levels);
    const float eight = level_bits(levels, 64, inverse_step);
    if (eight < COARSEST) return {EIGHT, eight, eight};
    for (int k = 0; k < 4; ++k) subtract(sixteenth_square(row, column, quarter, k));
    const Finer found = finer(samples, eight, inverse_step);
    return {found.kind, eight, found.bits};
}

}  // namespace

IntraChoice best_intra(const MotionKernels& kernels, Grid<const u8> source, const Square& square,
                       const u8* samples, BitWeights bit_weights, int hint, bool quick) {
    ModeSearch search{kernels, square, samples, bit_weights, hint, {}, {}};
    gather(source, square, search.edge);
    smooth(search.edge, square.size, search.soft);
    for (const int mode : {MEAN, PLANAR, HORIZONTAL, VERTICAL, hint}) search.offer(mode);
    if (quick) return search.best;
    for (int mode = 2; mode < INTRA_MODES; mode += 4) search.offer(mode);
    search.offer_beside(2);
    search.offer_beside(1);
    return search.best;
}

void search_key_rows(Grid<const u8> source, BitWeights bit_weights, float inverse_step, int first,
                     int last, const Blocks& blocks) {
    const MotionKernels& kernels = *sc::kernels().motion;
    alignas(64) u8 samples[BLOCK_PX * BLOCK_PX];
    for (int row = first; row < last; ++row) {
        for (int column = 0; column < blocks.columns(); ++column) {
            for (int i = 0; i < BLOCK_PX; ++i) {
                std::memcpy(samples + BLOCK_PX * i, &source(BLOCK_PX * row + i, BLOCK_PX * column),
                            BLOCK_PX);
            }
            const int hint = column ? blocks.intra_modes(2 * row, 2 * column - 1) : PLANAR;
            const Square square{BLOCK_PX * row, BLOCK_PX * column, BLOCK_PX, BLOCK_PX, 0};
            const IntraChoice whole =
                best_intra(kernels, source, square, samples, bit_weights, hint, false);
            int total = 3 * 16;
            int nearest_mode = hint;
            int kinds = 1;
            i8 modes[4] = {};
            for (int k = 0; k < 4 && total < whole.cost; ++k) {
                const IntraChoice small =
                    best_intra(kernels, source, quarter_square(row, column, k),
                               samples + 8 * (BLOCK_PX * (k >> 1) + (k & 1)), bit_weights,
                               nearest_mode, false);
                nearest_mode = small.mode;
                modes[k] = static_cast<i8>(small.mode);
                const QuarterChoice found =
                    transform_of_quarter(source, row, column, k, small.mode, inverse_step);
                int part = small.cost;
                if (found.kind != EIGHT) {
                    part = static_cast<int>(static_cast<double>(part) * found.least / found.eight);
                    kinds = with_transform(kinds, k, found.kind);
                }
                total += part;
            }
            const bool split = total < whole.cost;
            blocks.modes(row, column) = split ? INTRA8 : INTRA16;
            blocks.splits(row, column) = static_cast<u8>(split ? kinds : 0);
            for (int k = 0; k < 4; ++k) {
                blocks.intra_modes(2 * row + (k >> 1), 2 * column + (k & 1)) =
                    split ? modes[k] : static_cast<i8>(whole.mode);
            }
        }
    }
}

}  // namespace sc
