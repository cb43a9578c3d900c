// SPDX-License-Identifier: Apache-2.0
#include "entropy/mixing.hpp"

#include <cstring>
#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

// A call would pass an opinion through memory, on the way from one bit to the next.
#define SC_WITHIN inline __attribute__((always_inline))

namespace sc {
namespace {

// A weight moves by 20 / 2**19 of its input times the miss: here 5 of 2**17, so that five inputs fit
// 16 bits.
constexpr int RATE = 5;
constexpr int RATE_BITS = 17;
constexpr u32 ZERO = 1u << 31;

// Learning keeps them inside; this costs little enough to be sure.
void check(std::size_t rows, const Mixture& by) {
    bool inside = u64{static_cast<u32>(by.weights)} + INPUTS <= rows;
    for (const i32 row : by.context) inside &= static_cast<u32>(row) < rows;
    if (!inside) throw Outside();
}

#if defined(__SSE4_1__)

// Two thirds of the plain path's time: inputs and weights side by side, in the layout of the rows.
struct Opinion {
    __m128i inputs[2];  // four int32, then two and zeros
    __m128i contexts;   // three rows
    i32 one;            // frequency of a one in 1/2**15
};

struct Weights {
    __m128i rows[2];  // four, then two

    explicit Weights(const Context* first)
        : rows{_mm_loadu_si128(reinterpret_cast<const __m128i*>(first)),
               _mm_loadl_epi64(reinterpret_cast<const __m128i*>(first + 4))} {}
    void store(Context* first) const {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(first), rows[0]);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(first + 4), rows[1]);
    }
};

SC_WITHIN Opinion mix(const Context* rows, const Mixture& by) {
    u32 contexts[MIXED_CONTEXTS];
    for (int k = 0; k < MIXED_CONTEXTS; ++k)
        std::memcpy(&contexts[k], static_cast<const void*>(rows + by.context[k]), sizeof(Context));
    __m128i inputs = _mm_cvtsi32_si128(STRETCH[contexts[0] >> 4 & 0xFFF]);
    inputs = _mm_insert_epi16(inputs, STRETCH[contexts[0] >> 20], 1);
    inputs = _mm_insert_epi16(inputs, STRETCH[contexts[1] >> 4 & 0xFFF], 2);
    inputs = _mm_insert_epi16(inputs, STRETCH[contexts[1] >> 20], 3);
    inputs = _mm_insert_epi16(inputs, STRETCH[contexts[2] >> 4 & 0xFFF], 4);
    inputs = _mm_insert_epi16(inputs, STRETCH[contexts[2] >> 20], 5);
    Opinion opinion;
    opinion.inputs[0] = _mm_cvtepi16_epi32(inputs);
    opinion.inputs[1] = _mm_cvtepi16_epi32(_mm_srli_si128(inputs, 8));
    opinion.contexts = _mm_setr_epi32(static_cast<int>(contexts[0]), static_cast<int>(contexts[1]),
                                      static_cast<int>(contexts[2]), 0);
    // A weight is its high half, less 2**15, and its low half, here less 2**15, too, to be a signed
    // number; half an input is added for it. So products of 16 bits do, and sums fit 32.
    const Weights weights(rows + by.weights);
    __m128i high = _mm_setzero_si128();
    __m128i low = _mm_slli_epi32(_mm_add_epi32(opinion.inputs[0], opinion.inputs[1]), 15);
    for (int k = 0; k < 2; ++k) {
        const __m128i halves = _mm_xor_si128(weights.rows[k], _mm_set1_epi16(-0x8000));
        const __m128i first = _mm_and_si128(opinion.inputs[k], _mm_set1_epi32(0xFFFF));
        high = _mm_add_epi32(high, _mm_madd_epi16(halves, first));
        low = _mm_add_epi32(low, _mm_madd_epi16(halves, _mm_slli_epi32(opinion.inputs[k], 16)));
    }
    __m128i sums = _mm_hadd_epi32(high, low);
    sums = _mm_hadd_epi32(sums, sums);
    const i64 both = _mm_cvtsi128_si64(sums);
    const i32 logit = static_cast<i32>(both) + static_cast<i32>(both >> 48);
    opinion.one = SQUASH[std::clamp(logit, -LOGIT_LIMIT, LOGIT_LIMIT) + LOGIT_LIMIT];
    return opinion;
}

SC_WITHIN void learn(Context* rows, const Mixture& by, const Opinion& opinion, int bit) {
    const int miss = (bit ? static_cast<i32>(TOTAL) : 0) - opinion.one;
    const __m128i misses = _mm_set1_epi16(static_cast<i16>(miss));
    const __m128i swap = _mm_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    const __m128i zero = _mm_set1_epi32(static_cast<i32>(ZERO));
    Weights weights(rows + by.weights);
    for (int k = 0; k < 2; ++k) {
        const __m128i five = _mm_add_epi32(opinion.inputs[k], _mm_slli_epi32(opinion.inputs[k], 2));
        const __m128i product =
            _mm_madd_epi16(misses, _mm_and_si128(five, _mm_set1_epi32(0xFFFF)));
        const __m128i rounded = _mm_add_epi32(product, _mm_set1_epi32(1 << (RATE_BITS - 1)));
        const __m128i step = _mm_srai_epi32(rounded, RATE_BITS);
        const __m128i weight = _mm_xor_si128(_mm_shuffle_epi8(weights.rows[k], swap), zero);
        const __m128i sum = _mm_add_epi32(weight, step);
        // Where that overflowed, the end on the step's side.
        const __m128i over =
            _mm_and_si128(_mm_xor_si128(weight, sum), _mm_xor_si128(step, sum));
        const __m128i end = _mm_xor_si128(_mm_srai_epi32(step, 31), _mm_set1_epi32(0x7FFFFFFF));
        const __m128i moved = _mm_castps_si128(_mm_blendv_ps(
            _mm_castsi128_ps(sum), _mm_castsi128_ps(end), _mm_castsi128_ps(over)));
        weights.rows[k] = _mm_shuffle_epi8(_mm_xor_si128(moved, zero), swap);
    }
    weights.store(rows + by.weights);
    // Towards a one: e + (65535 - e >> shift). Towards a zero e - ceil(e / 2**shift), which is e times
    // (2**shift - 1) >> shift. Shifts as products, as quick and slow differ.
    const __m128i up = _mm_add_epi16(
        opinion.contexts,
        _mm_mulhi_epu16(_mm_xor_si128(opinion.contexts, _mm_set1_epi32(-1)),
                        _mm_set1_epi32(1 << (16 - QUICK_SHIFT) | 1 << (32 - SLOW_SHIFT))));
    constexpr u32 QUICK_REST = 0x10000 - (0x10000 >> QUICK_SHIFT);
    constexpr u32 SLOW_REST = 0x10000 - (0x10000 >> SLOW_SHIFT);
    const __m128i down = _mm_mulhi_epu16(
        opinion.contexts, _mm_set1_epi32(static_cast<i32>(QUICK_REST | SLOW_REST << 16)));
    const __m128i adapted = bit ? up : down;
    const i32 found[MIXED_CONTEXTS] = {_mm_cvtsi128_si32(adapted), _mm_extract_epi32(adapted, 1),
                                       _mm_extract_epi32(adapted, 2)};
    for (int k = 0; k < MIXED_CONTEXTS; ++k)
        std::memcpy(static_cast<void*>(rows + by.context[k]), &found[k], sizeof(Context));
}

#else

struct Opinion {
    i32 inputs[INPUTS];
    i32 one;  // frequency of a one in 1/2**15
};

u32 held_by(Context row) { return u32{row.quick} << 16 | row.slow; }

SC_WITHIN Opinion mix(const Context* rows, const Mixture& by) {
    Opinion opinion;
    for (int k = 0; k < MIXED_CONTEXTS; ++k) {
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

SC_WITHIN void learn(Context* rows, const Mixture& by, const Opinion& opinion, int bit) {
    const i32 miss = ((bit ? static_cast<i32>(TOTAL) : 0) - opinion.one) * RATE;
    for (int k = 0; k < INPUTS; ++k) {
        Context& row = rows[by.weights + k];
        const i32 step = (miss * opinion.inputs[k] + (1 << (RATE_BITS - 1))) >> RATE_BITS;
        const i64 moved = i64{held_by(row)} + step;
        const u32 held = static_cast<u32>(std::clamp<i64>(moved, 0, 0xFFFFFFFF));
        row.quick = static_cast<u16>(held >> 16);
        row.slow = static_cast<u16>(held);
    }
    for (const i32 context : by.context) adapt(rows[context], bit);
}

#endif

}  // namespace

void put_mixed(Intervals& out, Contexts contexts, Mixture by, int bit) {
    check(contexts.size(), by);
    const Opinion opinion = mix(contexts.data(), by);
    put_estimated(out, opinion.one, bit);
    learn(contexts.data(), by, opinion, bit);
}

int get_mixed(RansState& stream, Contexts contexts, Mixture by) {
    check(contexts.size(), by);
    const Opinion opinion = mix(contexts.data(), by);
    const int bit = get_estimated(stream, opinion.one);
    learn(contexts.data(), by, opinion, bit);
    return bit;
}

YesNo mixed_costs(ConstContexts contexts, Mixture by) {
    check(contexts.size(), by);
    const int one = mix(contexts.data(), by).one;
    return {price_q8(one, 1), price_q8(one, 0)};
}

}  // namespace sc
