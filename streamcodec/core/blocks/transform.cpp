// SPDX-License-Identifier: Apache-2.0
#include "blocks/transform.hpp"

#include <algorithm>
#include <cstring>

#include "blocks/places.hpp"
#include "kernels.hpp"

namespace sc {
namespace {

// Bits and share by which the rough cost of finer transforms must be lower.
constexpr float FOUR_BITS = 2;
constexpr float PLAIN_BITS = 3;
constexpr float FOUR_RATIO = 1.4F;
constexpr float PLAIN_RATIO = 1.8F;

const float* quarter_at(const float* samples, int quarter) {
    return samples + (quarter >> 1) * 128 + (quarter & 1) * 8;
}

// A quarter's samples, one 4x4 square after the other.
void regroup(const float* samples, float* out) {
    for (int part = 0; part < 4; ++part) {
        const float* at = samples + 64 * (part >> 1) + 4 * (part & 1);
        for (int i = 0; i < 4; ++i) std::memcpy(out + 16 * part + 4 * i, at + 16 * i, 16);
    }
}

// From the order of transforms to that of channels.
void to_channels(const float* levels, int split, float* channels) {
    if (split < 2) {
        const Places& places = split ? EIGHT_PLACES : WHOLE_PLACES;
        for (int c = 0; c < CHANNELS; ++c) channels[c] = levels[places[c]];
        return;
    }
    const Places* of_quarter[5];
    for (int k = 0; k < 4; ++k)
        of_quarter[k] = transform_of(split, k) ? &FOUR_PLACES : &EIGHT_PLACES;
    of_quarter[4] = &WHOLE_PLACES;
    for (int c = 0; c < CHANNELS; ++c) channels[c] = levels[(*of_quarter[QUARTER_OF[c]])[c]];
}

}  // namespace

void forward8(const float* samples, int pitch, float* out) {
    kernels().blocks->forward8(samples, pitch, out);
}

float level_bits(const float* levels, int count, float inverse_step) {
    return kernels().blocks->level_bits(levels, count, inverse_step);
}

Finer finer(const float* samples, float coarse, float inverse_step, float* out) {
    if (coarse < COARSEST) return {EIGHT, coarse};
    const BlockKernels& run = *kernels().blocks;
    alignas(32) float fours[64], plains[64];
    run.forward4s(samples, 16, fours);
    regroup(samples, plains);
    const float four = (FOUR_BITS + run.level_bits(fours, 64, inverse_step)) * FOUR_RATIO;
    const float plain = (PLAIN_BITS + run.level_bits(plains, 64, inverse_step)) * PLAIN_RATIO;
    Finer best{EIGHT, coarse};
    if (four < best.bits) best = {FOUR, four};
    if (plain < best.bits) best = {PLAIN, plain};
    if (best.kind && out) std::memcpy(out, best.kind == FOUR ? fours : plains, sizeof fours);
    return best;
}

void forward(const float* samples, int split, float* channels) {
    const BlockKernels& run = *kernels().blocks;
    alignas(32) float levels[CHANNELS];
    if (split == 0) {
        run.forward16(samples, levels);
    } else {
        for (int k = 0; k < 4; ++k) {
            const float* quarter = quarter_at(samples, k);
            const int kind = transform_of(split, k);
            if (kind == EIGHT) run.forward8(quarter, 16, levels + 64 * k);
            if (kind == FOUR) run.forward4s(quarter, 16, levels + 64 * k);
            if (kind == PLAIN) regroup(quarter, levels + 64 * k);
        }
    }
    run.forward8(samples + 256, 8, levels + 256);
    run.forward8(samples + 320, 8, levels + 320);
    to_channels(levels, split, channels);
}

int forward_cheapest(const float* samples, float inverse_step, float* channels,
                     Splitting splitting) {
    const BlockKernels& run = *kernels().blocks;
    alignas(32) float whole[CHANNELS], quarters[CHANNELS];
    run.forward16(samples, whole);
    const float cost = run.level_bits(whole, 256, inverse_step);
    int split = 0;
    if (cost > splitting.apart_from) {
        int apart_split = 1;
        float apart = 0;
        for (int k = 0; k < 4; ++k) {
            float* levels = quarters + 64 * k;
            run.forward8(quarter_at(samples, k), 16, levels);
            const float eight = run.level_bits(levels, 64, inverse_step);
            Finer found{EIGHT, eight};
            if (eight >= splitting.finer_from)
                found = finer(quarter_at(samples, k), eight, inverse_step, levels);
            if (found.kind) apart_split = with_transform(apart_split, k, found.kind);
            apart += found.bits;
        }
        if (apart < cost) split = apart_split;
    }
    float* levels = split ? quarters : whole;
    run.forward8(samples + 256, 8, levels + 256);
    run.forward8(samples + 320, 8, levels + 320);
    to_channels(levels, split, channels);
    return split;
}

}  // namespace sc
