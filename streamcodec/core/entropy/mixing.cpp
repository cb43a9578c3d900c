// SPDX-License-Identifier: Apache-2.0
#include "entropy/mixing.hpp"

namespace sc {
namespace {

constexpr int RATE = 20;
constexpr u32 ZERO = 1u << 31;

struct Opinion {
    i32 inputs[INPUTS];
    i32 one;  // frequency of a one in 1/2**15
};

// Foretelling keeps them inside; this costs little enough to be sure.
void check(std::size_t rows, const Foretold& by) {
    bool inside = u64{static_cast<u32>(by.weights)} + INPUTS <= rows;
    for (const i32 row : by.context) inside &= static_cast<u32>(row) < rows;
    if (!inside) throw Outside();
}

u32 held_by(Context row) { return u32{row.quick} << 16 | row.slow; }

Opinion mix(const Context* rows, const Foretold& by) {
    Opinion opinion;
    for (int k = 0; k < WAYS; ++k) {
        const Context context = rows[by.context[k]];
        opinion.inputs[2 * k] = STRETCH[context.quick >> 4];
        opinion.inputs[2 * k + 1] = STRETCH[context.slow >> 4];
    }
    i64 total = 0;
    for (int k = 0; k < INPUTS; ++k) {
        total += i64{static_cast<i32>(held_by(rows[by.weights + k]) ^ ZERO)} * opinion.inputs[k];
    }
    const i64 logit = std::clamp<i64>(total >> 16, -LOGIT_LIMIT, LOGIT_LIMIT);
    opinion.one = SQUASH[logit + LOGIT_LIMIT];
    return opinion;
}

void learn(Context* rows, const Foretold& by, const Opinion& opinion, int bit) {
    const i32 miss = ((bit ? static_cast<i32>(TOTAL) : 0) - opinion.one) * RATE;
    for (int k = 0; k < INPUTS; ++k) {
        Context& row = rows[by.weights + k];
        // miss and inputs have 20 and 11 bits: the product fits.
        const i64 moved = i64{held_by(row)} + ((miss * opinion.inputs[k] + (1 << 18)) >> 19);
        const u32 held = static_cast<u32>(std::clamp<i64>(moved, 0, 0xFFFFFFFF));
        row.quick = static_cast<u16>(held >> 16);
        row.slow = static_cast<u16>(held);
    }
    for (const i32 context : by.context) adapt(rows[context], bit);
}

}  // namespace

void put_mixed(Intervals& out, Contexts contexts, Foretold by, int bit) {
    check(contexts.size(), by);
    const Opinion opinion = mix(contexts.data(), by);
    put_foretold(out, opinion.one, bit);
    learn(contexts.data(), by, opinion, bit);
}

int get_mixed(RansState& stream, Contexts contexts, Foretold by) {
    check(contexts.size(), by);
    const Opinion opinion = mix(contexts.data(), by);
    const int bit = get_foretold(stream, opinion.one);
    learn(contexts.data(), by, opinion, bit);
    return bit;
}

YesNo mixed_costs(ConstContexts contexts, Foretold by) {
    check(contexts.size(), by);
    const int one = mix(contexts.data(), by).one;
    return {price_q8(one, 1), price_q8(one, 0)};
}

}  // namespace sc
