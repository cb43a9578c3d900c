// SPDX-License-Identifier: Apache-2.0
#include "motion/search.hpp"

#include "motion/descend.hpp"
#include "motion/intra_search.hpp"
#include "motion/squares.hpp"

namespace sc {

namespace {

// What a vector costs besides its bits where all around is static, in bits: such a block would be
// a skip.
constexpr int ALONE = 4;
constexpr int BIT = 16;  // in estimated costs
constexpr int NEAR = 3;  // quarter samples

struct BlockSearch {
    const BandSearch& band;
    int row, column;
    int y, x;
    Limits limits;
    Candidates candidates;
    i32 taking[MOST_CANDIDATES];  // prices of the candidates, in 1/16 bit
    int sads[MOST_CANDIDATES];
    Vector best{};
    int cost = FAR;   // of `best`, in absolute difference
    int whole = FAR;  // of the block under one vector, in 1/16 bit

    BlockSearch(const BandSearch& of, int block_row, int block_column)
        : band(of),
          row(block_row),
          column(block_column),
          y(of.y_of(block_row)),
          x(BLOCK_PX * block_column),
          limits(of.limits(block_row, block_column)),
          candidates(candidates_of(of.blocks.field, of.known.reference_field, row, column, 1)) {
        which_prices(band.contexts, band.candidate_index, band.blocks.field,
                     band.known.reference_field, candidates, row, column, 1, 1, taking);
    }

    void search() {
        band.blocks.modes(row, column) = INTER16;
        fill(band.blocks.intra_modes, 2 * row, 2 * column, 2, i8{-1});
        try_candidates();
        const auto& effort = band.params.effort;
        if (cost < band.params.still * effort.still_q4 / 16) {
            keep_still();
            return;
        }
        try_others();
        Walker walker{y,    x,   BLOCK_PX, band.samples_of(row, column), limits, candidates.at[0],
                      best, cost};
        // A good start needs no wide steps.
        descend(band, walker,
                cost > 8 * band.params.still ? effort.wide_step : effort.near_step);
        best = walker.at;
        cost = walker.cost;
        for (int round = 0; round < effort.refine_rounds && refine(); ++round) {
        }
        weigh();
        if (whole < BIT * effort.quarters_from) return;
        if (whole >= BIT * effort.alike_from || !all_near()) try_quarters();
        if (whole > BIT * effort.intra_from) try_intra();
    }

    // Neighbours' vectors cost almost nothing to signal.
    void try_candidates() {
        for (int k = 0; k < candidates.count; ++k) {
            sads[k] = FAR;
            if (!limits.hold(candidates.at[k])) continue;
            sads[k] = band.sad(row, column, candidates.at[k]);
            const int rate = candidates.count > 1 ? (band.params.lambda_q8 * taking[k]) >> 12 : 0;
            if (rate + sads[k] < cost) {
                cost = rate + sads[k];
                best = candidates.at[k];
            }
        }
    }

    // Differences this small are not coded: what counts is the error that stays.
    void keep_still() {
        band.is_static(row, column) = 1;
        double least = 1e30;
        for (int k = 0; k < candidates.count; ++k) {
            if (!limits.hold(candidates.at[k])) continue;
            u8 room[BLOCK_PX * BLOCK_PX];
            const auto [other, pitch] = band.patch(row, column, candidates.at[k], room);
            const auto error = static_cast<float>(
                band.kernels.squared16(band.samples_of(row, column), other, pitch));
            const double stays =
                static_cast<double>(error * band.params.per_square) + taking[k];
            band.weighed(row, column).add(candidates.at[k], band.standing_cost(error));
            if (stays < least) {
                least = stays;
                best = candidates.at[k];
                band.costs(row, column) = band.standing_cost(error);
                band.candidate_index(row, column) = static_cast<u8>(k);
                band.apart(row, column) = taking[k] + BIT;
            }
        }
        set_block(band.blocks.field, row, column, best);
    }

    void try_other(Vector by) {
        if (by == best || !limits.hold(by)) return;
        const int rate = band.in_difference(2 * 256 + band.bits_q8(by, candidates.at[0]));
        if (rate >= cost) return;
        const int k = which(candidates, by);
        const int total = rate + (k >= 0 ? sads[k] : band.sad(row, column, by));
        if (total < cost) {
            cost = total;
            best = by;
        }
    }

    // Standing still, and what the reference's own blocks here and around did.
    void try_others() {
        const auto before = band.known.reference_field;
        try_other({});
        try_other(before(2 * row, 2 * column));
        try_other(before(2 * row + 1, 2 * column + 1));
        if (column + 1 < band.blocks.columns()) try_other(before(2 * row, 2 * column + 2));
        if (row + 1 < band.blocks.rows()) try_other(before(2 * row + 2, 2 * column));
    }

    // Move by the quarter step that is estimated to save most bits; false where none does.
    bool refine() {
        const Vector centre = best;
        int least = price_anew(centre) + band.cost(row, column, centre);
        for (int dy = -1; dy <= 1; ++dy) {
            for (int dx = -1; dx <= 1; ++dx) {
                if (!limits.hold(centre.dy + dy, centre.dx + dx)) continue;
                const Vector by{static_cast<i16>(centre.dy + dy), static_cast<i16>(centre.dx + dx)};
                const int total = price_anew(by) + band.cost(row, column, by);
                if (total < least) {
                    least = total;
                    best = by;
                }
            }
        }
        return !(best == centre);
    }

    // Price of a vector that is coded against the first candidate, in 1/16 bit.
    [[nodiscard]] int price_anew(Vector by) const {
        return (2 * 256 + band.bits_q8(by, candidates.at[0])) >> 4;
    }

    // By Hadamard: the found vector, the best free one.
    void weigh() {
        const Vector found = best;
        int rate = price_anew(found);
        if (candidates.count == 1 && candidates.at[0] == Vector{}) rate += BIT * ALONE;
        band.costs(row, column) = band.cost(row, column, found);
        whole = rate + band.costs(row, column);
        const int within = band.params.effort.weigh_within;
        for (int k = 0; k < candidates.count; ++k) {
            if (!limits.hold(candidates.at[k]) || (within && 4 * sads[k] > within * cost)) continue;
            const int free = taking[k] + BIT;
            const int own = band.cost(row, column, candidates.at[k]);
            if (free + own <= whole) {
                whole = free + own;
                best = candidates.at[k];
                band.costs(row, column) = own;
                band.candidate_index(row, column) = static_cast<u8>(k);
            }
        }
        band.apart(row, column) = whole - band.costs(row, column);
        set_block(band.blocks.field, row, column, best);
    }

    // Where nothing around moves otherwise, a quarter seldom does.
    [[nodiscard]] bool all_near() const {
        for (int k = 0; k < candidates.count; ++k) {
            if (std::abs(candidates.at[k].dy - best.dy) + std::abs(candidates.at[k].dx - best.dx) > NEAR) return false;
        }
        return true;
    }

    void try_quarters() {
        const auto field = band.blocks.field;
        int total = 3 * BIT;
        for (int k = 0; k < 4 && total < whole; ++k) {
            const int a = k >> 1, b = k & 1;
            const int down = y + 8 * a, right = x + 8 * b;
            const u8* own = band.samples_of(row, column) + 8 * (16 * a + b);
            const Vector from = predictor(field, 2 * row + a, 2 * column + b, 1);
            Walker walker{down, right, 8, own, {down, right, band.source.rows, band.source.columns},
                          from, best};
            walker.cost = band.in_difference(band.bits_q8(best, from)) + sad8(walker, best);
            if (limits.hold(from)) {
                const int other = band.in_difference(band.prices.of(0, 0)) + sad8(walker, from);
                if (other < walker.cost) {
                    walker.at = from;
                    walker.cost = other;
                }
            }
            descend(band, walker, band.params.effort.quarters_step);
            // Reach was checked for a 16x16 block at this corner; keep the whole block's, too.
            if (!limits.hold(walker.at)) walker.at = best;
            field(2 * row + a, 2 * column + b) = walker.at;
            total += band.bits_q8(walker.at, from) >> 4;
            u8 room[BLOCK_PX * BLOCK_PX];
            const auto [other, pitch] = band.shifted.patch(down, right, 8, walker.at, room);
            total += band.kernels.hadamard8(own, other, pitch, band.params.bit_weights);
        }
        if (total < whole) {
            band.blocks.modes(row, column) = INTER8;
            band.candidate_index(row, column) = 0;
            band.costs(row, column) = total;
            whole = total;
        } else {
            set_block(field, row, column, best);
        }
    }

    [[nodiscard]] int sad8(const Walker& walker, Vector by) const {
        u8 room[BLOCK_PX * BLOCK_PX];
        const auto [other, pitch] = band.shifted.patch(walker.y, walker.x, 8, by, room);
        return band.kernels.sad8(walker.samples, other, pitch);
    }

    // Few blocks of an inter frame are intra: five modes tell whether to try them all.
    void try_intra() {
        const Square square{y, x, BLOCK_PX, BLOCK_PX, 0};
        const auto choose = [&](bool quick) {
            return best_intra(band.kernels, band.source, square, band.samples_of(row, column),
                              band.params.bit_weights, PLANAR, quick);
        };
        IntraChoice found = choose(true);
        if (found.cost < whole + (whole >> 2)) found = choose(false);
        if (found.cost + 4 * BIT >= whole) return;
        band.blocks.modes(row, column) = INTRA16;
        set_block(band.blocks.field, row, column, {});
        fill(band.blocks.intra_modes, 2 * row, 2 * column, 2, static_cast<i8>(found.mode));
    }
};

}  // namespace

void search_band(const BandSearch& band) {
    for (int row = 0; row < band.blocks.rows(); ++row) {
        for (int column = 0; column < band.blocks.columns(); ++column) {
            BlockSearch(band, row, column).search();
        }
    }
}

}  // namespace sc
