// SPDX-License-Identifier: Apache-2.0
// Edges of blocks, smoothed: samples p2 p1 p0 | q0 q1 q2 across an edge, many along it at once. All
// fits 16 bits: the weighed difference is at most 3,068, limits are at most 1,024. A limit of 0
// changes nothing. The plain path says what is computed.
#include "kernels/level.hpp"
#include "kernels/pictures.hpp"

#ifdef __SSE4_1__
#include "kernels/lanes.hpp"
#endif

namespace sc::SC_LEVEL {

namespace {

SC_INLINE bool any(const int16_t* limit, int count) {
    int found = 0;
    for (int k = 0; k < count; ++k) found |= limit[k];
    return found != 0;
}

#ifndef __SSE4_1__

SC_INLINE int size_of(int value) { return value < 0 ? -value : value; }

// One position along an edge whose samples lie `step` apart.
SC_INLINE void smooth(uint8_t* at, ptrdiff_t step, int limit, int beta) {
    const int p2 = at[-3 * step];
    const int p1 = at[-2 * step];
    const int p0 = at[-step];
    const int q0 = at[0];
    const int q1 = at[step];
    const int q2 = at[2 * step];
    int delta = (9 * (q0 - p0) - 3 * (q1 - p1) + 8) >> 4;
    if (size_of(p1 - p0) + size_of(q1 - q0) >= beta || size_of(delta) >= 10 * limit) return;
    delta = clip(delta, -limit, limit);
    const int half = limit >> 1;
    at[-step] = static_cast<uint8_t>(clip(p0 + delta, 0, 255));
    at[0] = static_cast<uint8_t>(clip(q0 - delta, 0, 255));
    if (size_of(p2 - p0) < beta) {
        const int move = clip((((p2 + p0 + 1) >> 1) - p1 + delta) >> 1, -half, half);
        at[-2 * step] = static_cast<uint8_t>(clip(p1 + move, 0, 255));
    }
    if (size_of(q2 - q0) < beta) {
        const int move = clip((((q2 + q0 + 1) >> 1) - q1 - delta) >> 1, -half, half);
        at[step] = static_cast<uint8_t>(clip(q1 + move, 0, 255));
    }
}

#else

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
    if (!smooth<L>(s, L::load(limit), L::words(beta))) return;
    L::put(q0 - 2 * pitch, s.p1);
    L::put(q0 - pitch, s.p0);
    L::put(q0, s.q0);
    L::put(q0 + pitch, s.q1);
}

// Eight columns around an edge, from eight rows: samples of columns 0 and 1, 2 and 3, 4 and 5, 6
// and 7 beside one another.
struct Columns {
    __m128i two[4];
};
SC_INLINE Columns turned(const uint8_t* first, ptrdiff_t pitch) {
    __m128i pairs[4];
    for (int k = 0; k < 4; ++k) {
        pairs[k] = _mm_unpacklo_epi8(load8(first + 2 * k * pitch), load8(first + (2 * k + 1) * pitch));
    }
    const __m128i a = _mm_unpacklo_epi16(pairs[0], pairs[1]);
    const __m128i b = _mm_unpackhi_epi16(pairs[0], pairs[1]);
    const __m128i c = _mm_unpacklo_epi16(pairs[2], pairs[3]);
    const __m128i d = _mm_unpackhi_epi16(pairs[2], pairs[3]);
    return {{_mm_unpacklo_epi32(a, c), _mm_unpackhi_epi32(a, c), _mm_unpacklo_epi32(b, d),
             _mm_unpackhi_epi32(b, d)}};
}
SC_INLINE __m128i first_of(__m128i two) { return _mm_cvtepu8_epi16(two); }
SC_INLINE __m128i second_of(__m128i two) { return _mm_unpackhi_epi8(two, _mm_setzero_si128()); }

SC_INLINE Line<Eight> line_of(const Columns& at) {
    return {second_of(at.two[0]), first_of(at.two[1]), second_of(at.two[1]),
            first_of(at.two[2]),  second_of(at.two[2]), first_of(at.two[3])};
}

// Four rows of p1 p0 q0 q1.
SC_INLINE void put_rows(uint8_t* p1, ptrdiff_t pitch, __m128i rows) {
    int32_t words[4];
    memcpy(words, &rows, 16);
    for (int i = 0; i < 4; ++i) memcpy(p1 + i * pitch, &words[i], 4);
}

// Two samples of 0 to 255 in a word.
SC_INLINE __m128i joined_bytes(__m128i low, __m128i high) {
    return _mm_unpacklo_epi8(_mm_packus_epi16(low, low), _mm_packus_epi16(high, high));
}

SC_INLINE void put_line(uint8_t* p1, ptrdiff_t pitch, const Line<Eight>& s) {
    const __m128i p = joined_bytes(s.p1, s.p0);
    const __m128i q = joined_bytes(s.q0, s.q1);
    put_rows(p1, pitch, _mm_unpacklo_epi16(p, q));
    put_rows(p1 + 4 * pitch, pitch, _mm_unpackhi_epi16(p, q));
}

SC_INLINE void smooth_left_8(uint8_t* q0, ptrdiff_t pitch, __m128i limit, int16_t beta) {
    Line<Eight> s = line_of(turned(q0 - 4, pitch));
    if (smooth<Eight>(s, limit, Eight::words(beta))) put_line(q0 - 2, pitch, s);
}

#ifdef __AVX2__

SC_INLINE __m128i lower(__m256i v) { return _mm256_castsi256_si128(v); }
SC_INLINE __m128i upper(__m256i v) { return _mm256_extracti128_si256(v, 1); }

SC_INLINE void smooth_left_16(uint8_t* q0, ptrdiff_t pitch, __m256i limit, int16_t beta) {
    const Line<Eight> a = line_of(turned(q0 - 4, pitch));
    const Line<Eight> b = line_of(turned(q0 - 4 + 8 * pitch, pitch));
    Line<Sixteen> s{Sixteen::joined(a.p2, b.p2), Sixteen::joined(a.p1, b.p1),
                    Sixteen::joined(a.p0, b.p0), Sixteen::joined(a.q0, b.q0),
                    Sixteen::joined(a.q1, b.q1), Sixteen::joined(a.q2, b.q2)};
    if (!smooth<Sixteen>(s, limit, Sixteen::words(beta))) return;
    put_line(q0 - 2, pitch, {a.p2, lower(s.p1), lower(s.p0), lower(s.q0), lower(s.q1), a.q2});
    put_line(q0 - 2 + 8 * pitch, pitch,
             {b.p2, upper(s.p1), upper(s.p0), upper(s.q0), upper(s.q1), b.q2});
}

#endif
#endif

}  // namespace

void edge_above(uint8_t* q0, ptrdiff_t pitch, const EdgeLimits& limits, int count) {
    const int16_t* limit = limits.limit;
    int x = 0;
#ifdef __AVX2__
    for (; x + 16 <= count; x += 16) {
        if (any(limit + x, 16)) smooth_above<Sixteen>(q0 + x, pitch, limit + x, limits.beta);
    }
#endif
    for (; x < count; x += 8) {
        if (!any(limit + x, 8)) continue;
#ifdef __SSE4_1__
        smooth_above<Eight>(q0 + x, pitch, limit + x, limits.beta);
#else
        for (int k = x; k < x + 8; ++k) smooth(q0 + k, pitch, limit[k], limits.beta);
#endif
    }
}

void edges_left(uint8_t* q0, ptrdiff_t pitch, const EdgeLimits& limits, int edges, int rows) {
    for (int j = 0; j < edges; ++j, q0 += 8) {
        const int16_t first = limits.limit[2 * j];
        const int16_t second = limits.limit[2 * j + 1];
        if ((first | second) == 0) continue;
#ifdef __SSE4_1__
        if (rows == 8) {
            smooth_left_8(q0, pitch,
                          _mm_unpacklo_epi64(_mm_set1_epi16(first), _mm_set1_epi16(second)),
                          limits.beta);
            continue;
        }
#ifdef __AVX2__
        if (first && second) {
            smooth_left_16(q0, pitch,
                           Sixteen::joined(_mm_set1_epi16(first), _mm_set1_epi16(second)),
                           limits.beta);
            continue;
        }
#endif
        if (first) smooth_left_8(q0, pitch, _mm_set1_epi16(first), limits.beta);
        if (second) smooth_left_8(q0 + 8 * pitch, pitch, _mm_set1_epi16(second), limits.beta);
#else
        for (int i = 0; i < rows; ++i) {
            smooth(q0 + i * pitch, 1, i < rows / 2 ? first : second, limits.beta);
        }
#endif
    }
}

}  // namespace sc::SC_LEVEL
