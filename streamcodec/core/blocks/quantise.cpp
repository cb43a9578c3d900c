// SPDX-License-Identifier: Apache-2.0
#include "blocks/quantise.hpp"

#include <algorithm>

#include "blocks/places.hpp"
#include "kernels.hpp"

namespace sc {

void LevelPrices::set(Grid<const i32> costs_q8, double mu) {
    constexpr int ESCAPE_Q8 = 2048;
    per_q8 = static_cast<float>(mu / 256);
    for (int t = 0; t < TABLES; ++t) {
        for (int k = 0; k < MAGNITUDES; ++k) {
            const int cost = costs_q8.at(t, k) + (k == MAGNITUDES - 1 ? ESCAPE_Q8 : 0);
            of[t][k] = per_q8 * static_cast<float>(cost);
        }
        zero_q8[t] = static_cast<u16>(std::clamp(costs_q8.at(t, 0), 0, 32767));
    }
}

Steps::Steps(const i32* steps_q3) {
    for (int c = 0; c < CHANNELS; ++c) {
        inverse[c] = 8.0F / static_cast<float>(steps_q3[c]);
        inverse_eight[EIGHT_PLACES[c]] = inverse[c];
        inverse_four[FOUR_PLACES[c]] = inverse[c];
    }
}

void quantise_plainly(Grid<const float> coefficients, const i32* steps_q3, float rounding,
                      Grid<i16> symbols, Grid<u8> counts) {
    const Steps steps(steps_q3);
    const BlockKernels& run = *kernels().blocks;
    for (int index = 0; index < coefficients.rows; ++index) {
        int needed = 0;
        for (int g = 0; g < GROUPS; ++g) {
            const int first = GROUP_STARTS[g], size = GROUP_STARTS[g + 1] - first;
            if (run.plain(coefficients.row(index) + first, steps.inverse + first, size, rounding,
                          MAX_LEVEL, symbols.row(index) + first)) {
                needed = g + 1;
            }
        }
        counts(index / counts.columns, index % counts.columns) = static_cast<u8>(needed);
    }
}

void count_groups(Grid<const float> coefficients, const i32* steps_q3, float rounding,
                  Grid<u8> counts) {
    const Steps steps(steps_q3);
    const BlockKernels& run = *kernels().blocks;
    for (int index = 0; index < coefficients.rows; ++index) {
        counts(index / counts.columns, index % counts.columns) =
            static_cast<u8>(run.groups(coefficients.row(index), steps.inverse, rounding));
    }
}

}  // namespace sc
