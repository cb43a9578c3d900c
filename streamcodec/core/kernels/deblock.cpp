// SPDX-License-Identifier: Apache-2.0
// Edges of blocks, smoothed: samples p2 p1 p0 | q0 q1 q2 across an edge, many along it at once. All
// fits 16 bits: the weighed difference is at most 3,068, limits are at most 1,024. A limit of 0
// changes nothing.
#include "kernels/lanes.hpp"
#include "kernels/pictures.hpp"

namespace sc::SC_LEVEL {

namespace {

SC_INLINE bool any(const int16_t* limit, int count) {
    int found = 0;
    for (int k = 0; k < count; ++k) found |= limit[k];
    return found != 0;
}

template <class L>
struct Line {
    typename L::V p2, p1, p0, q0, q1, q2;
};

// Returns whether anything may have changed.
template <class L>
SC_INLINE bool smooth(Line<L>& s, typename L::V limit, typename L::V beta) {
    using V = typename L::V;
    const V across = L::sub16(s.q0, s.p0);
    const V around = L::sub16(s.q1, s.p1);
    const V nine = L::add16(L::left16(across, 3), across);
    const V three = L::add16(L::left16(around, 1), around);
    V delta = L::right16(L::add16(L::sub16(nine, three), L::words(8)), 4);
    const V steep =
        L::add16(L::size16(L::sub16(s.p1, s.p0)), L::size16(L::sub16(s.q1, s.q0)));
    const V ten = L::left16(L::add16(L::left16(limit, 2), limit), 1);
    const V on = L::both(L::greater16(beta, steep), L::greater16(ten, L::size16(delta)));
    if (L::none(on)) return false;
    delta = L::within16(delta, limit);
    const V half = L::right16(limit, 1);
    const V on_p = L::both(on, L::greater16(beta, L::size16(L::sub16(s.p2, s.p0))));
    const V on_q = L::both(on, L::greater16(beta, L::size16(L::sub16(s.q2, s.q0))));
    const V move_p =
        L::right16(L::add16(L::sub16(L::mean16(s.p2, s.p0), s.p1), delta), 1);
    const V move_q =
        L::right16(L::sub16(L::sub16(L::mean16(s.q2, s.q0), s.q1), delta), 1);
    s.p1 = L::add16(s.p1, L::both(on_p, L::within16(move_p, half)));
    s.q1 = L::add16(s.q1, L::both(on_q, L::within16(move_q, half)));
    delta = L::both(on, delta);
    s.p0 = L::add16(s.p0, delta);
    s.q0 = L::sub16(s.q0, delta);
    return true;
}

template <class L>
SC_INLINE void smooth_above(uint8_t* q0, ptrdiff_t pitch, const int16_t* limit, int16_t beta) {
    Line<L> s{L::wide(q0 - 3 * pitch), L::wide(q0 - 2 * pitch), L::wide(q0 - pitch),
              L::wide(q0),             L::wide(q0 + pitch),     L::wide(q0 + 2 * pitch)};
    if (!smooth<L>(s, L::load_words(limit), L::words(beta))) return;
    L::put(q0 - 2 * pitch, s.p1);
    L::put(q0 - pitch, s.p0);
    L::put(q0, s.q0);
    L::put(q0 + pitch, s.q1);
}

// Eight columns around an edge, from eight rows of eight samples.
SC_INLINE Line<Eight> turned(const uint8_t* first, ptrdiff_t pitch) {
    using V = Eight::V;
    V pairs[4];
    for (int k = 0; k < 4; ++k) {
        pairs[k] = Eight::zip8_low(Eight::load8(first + 2 * k * pitch),
                                   Eight::load8(first + (2 * k + 1) * pitch));
    }
    const V a = Eight::zip16_low(pairs[0], pairs[1]);
    const V b = Eight::zip16_high(pairs[0], pairs[1]);
    const V c = Eight::zip16_low(pairs[2], pairs[3]);
    const V d = Eight::zip16_high(pairs[2], pairs[3]);
    const V left = Eight::zip32_low(a, c);  // columns 0 and 1
    const V p = Eight::zip32_high(a, c);
    const V q = Eight::zip32_low(b, d);
    const V right = Eight::zip32_high(b, d);
    return {Eight::wide_high(left), Eight::wide_low(p),  Eight::wide_high(p),
            Eight::wide_low(q),     Eight::wide_high(q), Eight::wide_low(right)};
}

// Four rows of p1 p0 q0 q1.
SC_INLINE void put_rows(uint8_t* p1, ptrdiff_t pitch, Eight::V rows) {
    uint8_t samples[16];
    Eight::store_bytes(samples, rows);
    for (int i = 0; i < 4; ++i) memcpy(p1 + i * pitch, samples + 4 * i, 4);
}

SC_INLINE void put_line(uint8_t* p1, ptrdiff_t pitch, const Line<Eight>& s) {
    const auto p = Eight::zip8_low(Eight::pack8(s.p1, s.p1), Eight::pack8(s.p0, s.p0));
    const auto q = Eight::zip8_low(Eight::pack8(s.q0, s.q0), Eight::pack8(s.q1, s.q1));
    put_rows(p1, pitch, Eight::zip16_low(p, q));
    put_rows(p1 + 4 * pitch, pitch, Eight::zip16_high(p, q));
}

// Eight rows; the limits are of the upper and of the lower four.
SC_INLINE void smooth_left_8(uint8_t* q0, ptrdiff_t pitch, int16_t upper, int16_t lower,
                             int16_t beta) {
    Line<Eight> s = turned(q0 - 4, pitch);
    const auto limit = Eight::halves_low(Eight::words(upper), Eight::words(lower));
    if (smooth<Eight>(s, limit, Eight::words(beta))) put_line(q0 - 2, pitch, s);
}

// Sixteen rows; the limits are of the upper and of the lower eight.
SC_INLINE void smooth_left_16(uint8_t* q0, ptrdiff_t pitch, int16_t upper, int16_t lower,
                              int16_t beta) {
#if defined(SC_LANES_X86) && defined(__AVX2__)
    if (upper && lower) {
        const Line<Eight> a = turned(q0 - 4, pitch);
        const Line<Eight> b = turned(q0 - 4 + 8 * pitch, pitch);
        Line<Sixteen> s{Sixteen::joined(a.p2, b.p2), Sixteen::joined(a.p1, b.p1),
                        Sixteen::joined(a.p0, b.p0), Sixteen::joined(a.q0, b.q0),
                        Sixteen::joined(a.q1, b.q1), Sixteen::joined(a.q2, b.q2)};
        const auto limit = Sixteen::joined(Eight::words(upper), Eight::words(lower));
        if (!smooth<Sixteen>(s, limit, Sixteen::words(beta))) return;
        put_line(q0 - 2, pitch,
                 {a.p2, Sixteen::first(s.p1), Sixteen::first(s.p0), Sixteen::first(s.q0),
                  Sixteen::first(s.q1), a.q2});
        put_line(q0 - 2 + 8 * pitch, pitch,
                 {b.p2, Sixteen::second(s.p1), Sixteen::second(s.p0), Sixteen::second(s.q0),
                  Sixteen::second(s.q1), b.q2});
        return;
    }
#endif
    if (upper) smooth_left_8(q0, pitch, upper, upper, beta);
    if (lower) smooth_left_8(q0 + 8 * pitch, pitch, lower, lower, beta);
}

}  // namespace

void edge_above(uint8_t* q0, ptrdiff_t pitch, const EdgeLimits& limits, int count) {
    const int16_t* limit = limits.limit;
    int x = 0;
    for (; x + Most::COUNT <= count; x += Most::COUNT) {
        if (!any(limit + x, Most::COUNT)) continue;
        smooth_above<Most>(q0 + x, pitch, limit + x, limits.beta);
    }
    if (x < count && any(limit + x, 8)) smooth_above<Eight>(q0 + x, pitch, limit + x, limits.beta);
}

void edges_left(uint8_t* q0, ptrdiff_t pitch, const EdgeLimits& limits, int edges, int rows) {
    for (int j = 0; j < edges; ++j, q0 += 8) {
        const int16_t upper = limits.limit[2 * j];
        const int16_t lower = limits.limit[2 * j + 1];
        if ((upper | lower) == 0) continue;
        if (rows == 8) {
            smooth_left_8(q0, pitch, upper, lower, limits.beta);
        } else {
            smooth_left_16(q0, pitch, upper, lower, limits.beta);
        }
    }
}

}  // namespace sc::SC_LEVEL
