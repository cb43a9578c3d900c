// SPDX-License-Identifier: Apache-2.0
#include "contexts.hpp"

#include "mixtures.hpp"

namespace sc {

void vector_prices(ConstContexts contexts, VectorPrices& out) {
    if (contexts.size() < CONTEXTS) throw Outside();
    constexpr int LAST = 1024;
    for (int component = 0; component < 2; ++component) {
        const Context* row = contexts.data() + BASES.first[family::VECTOR][0] + LENGTHS * component;
        i32* prices = out.bits_q8[component];
        prices[0] = bit_cost_q8(row[0], 0);
        int spent = bit_cost_q8(row[0], 1) + 256;
        for (int prefix = 0; 1 << prefix < LAST; ++prefix) {
            const Context more = row[1 + std::min(prefix, PREFIX_CONTEXTS)];
            const int price = spent + bit_cost_q8(more, 0) + 256 * prefix;
            std::fill(prices + (1 << prefix), prices + std::min(2 << prefix, LAST), price);
            spent += bit_cost_q8(more, 1);
        }
    }
}

void which_prices(ConstContexts contexts, Grid<const u8> candidate_index, Grid<const Vector> field,
                  Grid<const Vector> reference, const Candidates& candidates, int row, int column,
                  int blocks, int skip, i32 (&out)[MOST_CANDIDATES]) {
    out[0] = out[1] = out[2] = 0;
    if (candidates.count < 2) return;
    const YesNo other = mixed_costs(contexts, by_which(candidate_index, field, reference,
                                                       candidates, row, column, blocks, skip));
    out[0] = other.no_q8 >> 4;
    out[1] = other.yes_q8 >> 4;
    if (candidates.count > 2) {
        const YesNo third = mixed_costs(contexts, by_which_second(candidate_index, field, reference,
                                                                  candidates, row, column, blocks));
        out[2] = out[1] + (third.yes_q8 >> 4);
        out[1] += third.no_q8 >> 4;
    }
}

YesNo united_prices(ConstContexts contexts, Grid<const u8> sides, const Known& known, int row,
                    int column, int blocks) {
    return mixed_costs(contexts, by_united(sides, known, row, column, blocks));
}

void count_prices(ConstContexts contexts, Grid<const u8> counts, const Known& known, int row,
                  int column, int kind, i32 (&out)[GROUPS + 1]) {
    const Around around(counts, row, column);
    const ReferenceCounts reference(known.reference_counts, row, column);
    const int first = kind == TAKEN ? 1 : 0;
    int spent = 0;
    out[0] = 0;
    for (int k = first; k < GROUPS; ++k) {
        const YesNo more = mixed_costs(contexts, by_count(around, reference, kind, k, known.trend));
        out[k] = spent + more.no_q8;
        spent += more.yes_q8;
    }
    out[GROUPS] = spent;
}

YesNo skip_prices(ConstContexts contexts, Grid<const u8> skips, const Known& known, int row,
                  int column) {
    return mixed_costs(contexts, by_skip(skips, known, row, column));
}

}  // namespace sc
