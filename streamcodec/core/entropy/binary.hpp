// SPDX-License-Identifier: Apache-2.0
// Adaptive binary contexts: each learns how often its bit is one, in integers.
//
// A context holds two estimates of P(bit = 1) in 1/65536, one quick (rate 1/16) and one slow (rate
// 1/128); their mean codes the bit. The pair adapts to a new scene within a few blocks and is still
// precise in a still one (two-rate estimation as in VVC, JVET-K0430).
#pragma once

#include <algorithm>
#include <span>

#include "entropy/rans.hpp"
#include "grid.hpp"

namespace sc {

// A row of the (CONTEXTS, 2) uint16 array. Weights live in such rows, too (mixing.hpp).
struct Context {
    u16 quick = 32768;
    u16 slow = 32768;
};
static_assert(sizeof(Context) == 4);
using Contexts = std::span<Context>;
using ConstContexts = std::span<const Context>;

inline constexpr int QUICK_SHIFT = 4;
inline constexpr int SLOW_SHIFT = 7;
// Of 2**15: no bit costs more than about 8.4 bits, none less than 0.004.
inline constexpr int BINARY_FLOOR = 96;

extern const i16 COST_Q8[512];  // price in 1/256 bit of an event of probability (i + 0.5) / 512

// Price in 1/256 bit of a bit whose frequency of a one is known.
inline int price_q8(int one, int bit) {
    return COST_Q8[(bit ? one : static_cast<int>(TOTAL) - one) >> 6];
}

// Frequency of a one in 1/2**15, kept away from both ends.
inline int frequency_of_one(Context context) {
    return std::clamp((context.quick + context.slow) >> 2, BINARY_FLOOR,
                      static_cast<int>(TOTAL) - BINARY_FLOOR);
}

// Move both estimates towards the bit.
inline void adapt(Context& context, int bit) {
    const int target = bit ? 65535 : 0;
    context.quick = static_cast<u16>(context.quick + ((target - context.quick) >> QUICK_SHIFT));
    context.slow = static_cast<u16>(context.slow + ((target - context.slow) >> SLOW_SHIFT));
}

inline void put_estimated(Intervals& out, int one, int bit) {
    if (bit) {
        out.put(0, static_cast<u32>(one));
    } else {
        out.put(static_cast<u32>(one), TOTAL - static_cast<u32>(one));
    }
}
inline int get_estimated(RansState& stream, int one) {
    const u32 ones = static_cast<u32>(one);
    const bool bit = stream.peek() < ones;
    stream.advance(bit ? 0 : ones, bit ? ones : TOTAL - ones);
    return bit;
}

inline void put_bit(Intervals& out, Context& context, int bit) {
    put_estimated(out, frequency_of_one(context), bit);
    adapt(context, bit);
}
inline int get_bit(RansState& stream, Context& context) {
    const int bit = get_estimated(stream, frequency_of_one(context));
    adapt(context, bit);
    return bit;
}
inline int bit_cost_q8(Context context, int bit) { return price_q8(frequency_of_one(context), bit); }

// A bit at the price of one bit.
inline int get_raw(RansState& stream) {
    const u32 bit = stream.peek() >> (PRECISION_BITS - 1);
    stream.advance(bit << (PRECISION_BITS - 1), TOTAL / 2);
    return static_cast<int>(bit);
}

}  // namespace sc
