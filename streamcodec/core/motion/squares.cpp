// SPDX-License-Identifier: Apache-2.0
#include "motion/squares.hpp"

namespace sc {

namespace {

constexpr int MOST_SIDE = REGIONS[0];
constexpr int MOST_BLOCKS = MOST_SIDE * MOST_SIDE;

// Prices of vectors for a block or a square, in 1/16 bit, as things stand around it.
struct MotionPrices {
    const BandSearch& band;
    Candidates candidates;
    i32 taking[MOST_CANDIDATES];

    MotionPrices(const BandSearch& of, int row, int column, int blocks)
        : band(of),
          candidates(
              candidates_of(of.blocks.field, of.known.reference_field, row, column, blocks)) {
        which_prices(band.contexts, band.candidate_index, band.blocks.field,
                     band.known.reference_field, candidates, row, column, blocks, 1, taking);
    }
    // Of a vector that is no candidate: told against the first of them.
    [[nodiscard]] int anew(Vector by) const {
        return (2 * 256 + band.bits_q8(by, candidates.at[0])) >> 4;
    }
    [[nodiscard]] int of(Vector by) const {
        const int k = which(candidates, by);
        return k >= 0 ? taking[k] + TAKING : anew(by);
    }
};

// Vectors to try, each once.
struct Tries {
    Vector at[MOST_BLOCKS + MOST_CANDIDATES];
    int count = 0;

    void add(Vector by) {
        for (int k = 0; k < count; ++k) {
            if (at[k] == by) return;
        }
        at[count++] = by;
    }
};

struct SquareSearch {
    const BandSearch& band;
    int row, column, side;
    int bottom, right;
    Tries tries;
    int motions = 0;  // price of signalling motion while nothing is united
    int coded = 0;    // and all else

    SquareSearch(const BandSearch& of, int first_row, int first_column, int blocks)
        : band(of),
          row(first_row),
          column(first_column),
          side(blocks),
          bottom(std::min(first_row + blocks, of.blocks.rows())),
          right(std::min(first_column + blocks, of.blocks.columns())) {}

    [[nodiscard]] bool is_inter() const {
        for (int i = row; i < bottom; ++i) {
            for (int j = column; j < right; ++j) {
                if (band.blocks.modes(i, j) >= INTRA16) return false;
            }
        }
        return true;
    }

    // Sum up the blocks as they are, and collect their vectors.
    void gather(int no) {
        motions = no;
        for (int i = row; i < bottom; ++i) {
            for (int j = column; j < right; ++j) {
                const Vector by = band.blocks.field(2 * i, 2 * j);
                coded += band.costs(i, j);
                if (side == 2) {
                    motions += SINGLE;
                    if (band.blocks.modes(i, j) != INTER8) {
                        motions += band.params.effort.first_prices
                                       ? band.apart(i, j)
                                       : MotionPrices(band, i, j, 1).of(by);
                    }
                } else if (i % 2 == 0 && j % 2 == 0) {
                    motions += band.apart(i, j);
                }
                tries.add(by);
            }
        }
    }

    // Cost of all blocks under one vector on top of `total`, each in `fresh`; stops beyond `best`.
    int under(Vector by, int total, int best, i32 (&fresh)[MOST_BLOCKS]) const {
        int at = 0;
        for (int i = row; i < bottom; ++i) {
            for (int j = column; j < right; ++j) {
                if (band.blocks.modes(i, j) == INTER16 && band.blocks.field(2 * i, 2 * j) == by) {
                    fresh[at] = band.costs(i, j);
                } else if (total < best && band.limits(i, j).hold(by)) {
                    fresh[at] = band.cost(i, j, by);
                } else {
                    return FAR;
                }
                total += fresh[at++];
            }
        }
        return total;
    }

    void search() {
        const YesNo united =
            united_prices(band.contexts, band.sides, band.known, row, column, side);
        const bool is_one = is_united(band.blocks.modes, band.blocks.field, row, column, side);
        gather(united.no_q8 >> 4);
        const MotionPrices prices(band, row, column, side);
        if (tries.count > 1) {
            for (int k = 0; k < prices.candidates.count; ++k) tries.add(prices.candidates.at[k]);
        }
        int best = is_one ? FAR : motions + coded;
        int motion_of_best = 0;
        const Vector* chosen = nullptr;
        i32 fresh[MOST_BLOCKS], kept[MOST_BLOCKS] = {};
        const int most = std::min(tries.count, band.params.effort.square_tries);
        for (int k = 0; k < most; ++k) {
            const int motion = (united.yes_q8 >> 4) + SQUARE + prices.of(tries.at[k]);
            const int total = under(tries.at[k], motion, best, fresh);
            if (total < best) {
                best = total;
                chosen = &tries.at[k];
                motion_of_best = motion;
                std::copy(fresh, fresh + MOST_BLOCKS, kept);
            }
        }
        band.apart(row, column) = chosen != nullptr ? motion_of_best : motions;
        if (chosen != nullptr) take(*chosen, kept);
    }

    void take(Vector by, const i32 (&kept)[MOST_BLOCKS]) const {
        int at = 0;
        for (int i = row; i < bottom; ++i) {
            for (int j = column; j < right; ++j) {
                band.blocks.modes(i, j) = INTER16;
                band.costs(i, j) = kept[at++];
            }
        }
        set_square(band.blocks.field, row, column, side, by);
        fill(band.sides, row, column, side, static_cast<u8>(side));
    }
};

void mend(const BandSearch& band, int row, int column) {
    Vector by = band.blocks.field(2 * row, 2 * column);
    const Candidates candidates =
        candidates_of(band.blocks.field, band.known.reference_field, row, column, 1);
    if (which(candidates, by) >= 0) return;
    const MotionPrices prices(band, row, column, 1);
    const Limits limits = band.limits(row, column);
    int best = band.costs(row, column) + prices.anew(by);
    for (int k = 0; k < candidates.count; ++k) {
        if (!limits.hold(candidates.at[k])) continue;
        const int price = prices.taking[k] + TAKING;
        const int own = band.cost(row, column, candidates.at[k]);
        if (price + own < best) {
            best = price + own;
            band.costs(row, column) = own;
            by = candidates.at[k];
        }
    }
    set_block(band.blocks.field, row, column, by);
}

}  // namespace

void unite_squares(const BandSearch& band) {
    const int rows = band.blocks.rows(), columns = band.blocks.columns();
    for (const int side : {REGIONS[1], REGIONS[0]}) {
        for (int row = 0; row < rows; row += side) {
            for (int column = 0; column < columns; column += side) {
                if (!may_unite(rows, columns, row, column, side)) continue;
                SquareSearch square(band, row, column, side);
                if (square.is_inter()) square.search();
            }
        }
    }
    for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column) {
            if (band.sides(row, column) == 1 && band.blocks.modes(row, column) == INTER16) {
                mend(band, row, column);
            }
        }
    }
}

}  // namespace sc
