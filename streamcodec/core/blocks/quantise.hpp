// SPDX-License-Identifier: Apache-2.0
// Rate-distortion quantisation: levels as distortion plus price say, with true table costs.
//
// All in units of the step: a coefficient x of step D has the size a = |x| / D; choosing level k
// costs (a - k)**2 + mu * bits(k). mu = lambda / D**2 is the same at every quality.
#pragma once

#include "blocks/residual.hpp"
#include "grid.hpp"
#include "tables.hpp"

namespace sc {

inline constexpr int MAX_LEVEL = 30'000;

// mu times what each level costs, table by table; an escape counts with eight of its bits.
struct LevelPrices {
    float of[TABLES][MAGNITUDES];
    u16 zero_q8[TABLES];  // of level 0, below 2**15: none costs 128 bits
    float per_q8;

    // `costs_q8` is (64, 16) in 1/256 bit.
    void set(Grid<const i32> costs_q8, double mu);
};

struct Choice {
    int level;   // with the sign of x, 0 where nothing pays
    float gain;  // what it saves against zero
};

// The cheapest level of a coefficient x in steps that rounds to at least 1, by its table's prices.
inline Choice choose(float x, const float* prices) {
    constexpr float bias = static_cast<float>(BIAS_Q8) / 256;
    const float size = x < 0 ? -x : x;
    const float zero = size * size + prices[0];
    const int upper = static_cast<int>(size + 0.5F);
    float best = zero;
    int chosen = 0;
    const auto offer = [&](int level, float price) {
        const float miss = size - static_cast<float>(level) + bias;
        const float cost = miss * miss + price;
        const bool cheaper = cost < best;
        best = cheaper ? cost : best;
        chosen = cheaper ? level : chosen;
    };
    if (upper >= MAGNITUDES - 1) {
        // No other is tried.
        chosen = upper < MAX_LEVEL ? upper : MAX_LEVEL;
        const float miss = size - static_cast<float>(chosen) + bias;
        best = miss * miss + prices[MAGNITUDES - 1];
    } else {
        if (upper > 1) offer(upper - 1, prices[upper - 1]);
        offer(upper, prices[upper]);
    }
    return {x > 0 ? chosen : -chosen, zero - best};
}

// 1 / step of each channel, and of each place among a block's 8x8 and 4x4 transforms.
struct Steps {
    alignas(32) float inverse[CHANNELS];
    alignas(32) float inverse_eight[CHANNELS];
    alignas(32) float inverse_four[CHANNELS];
    explicit Steps(const i32* steps_q3);
};

// Quantise all blocks (a row of `coefficients` and of `symbols` each) with a fixed rounding offset;
// `counts` gets the groups needed.
void quantise_plainly(Grid<const float> coefficients, const i32* steps_q3, float rounding,
                      Grid<i16> symbols, Grid<u8> counts);

// The counts of `quantise_plainly` alone.
void count_groups(Grid<const float> coefficients, const i32* steps_q3, float rounding,
                  Grid<u8> counts);

}  // namespace sc
