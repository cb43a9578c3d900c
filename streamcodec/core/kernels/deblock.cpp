// SPDX-License-Identifier: Apache-2.0
// Edges of blocks, smoothed: samples p2 p1 p0 | q0 q1 q2 across an edge, many along it at once.
#include "kernels/level.hpp"
#include "kernels/pictures.hpp"

namespace sc::SC_LEVEL {

namespace {

SC_INLINE int size_of(int value) { return value < 0 ? -value : value; }

// One position along the edge. Everything fits 16 bits: samples are at most 255, the weighed
// difference at most 3,068, limits at most 1,024. A limit of 0 changes nothing.
SC_INLINE void smooth(int p2, int& p1, int& p0, int& q0, int& q1, int q2, int limit, int beta) {
    int delta = (9 * (q0 - p0) - 3 * (q1 - p1) + 8) >> 4;
    const bool flat = size_of(p1 - p0) + size_of(q1 - q0) < beta;
    const bool small = size_of(delta) < 10 * limit;
    delta = clip(delta, -limit, limit);
    const int half = limit >> 1;
    const int move_p = clip((((p2 + p0 + 1) >> 1) - p1 + delta) >> 1, -half, half);
    const int move_q = clip((((q2 + q0 + 1) >> 1) - q1 - delta) >> 1, -half, half);
    const bool on = flat & small;
    const bool on_p = on & (size_of(p2 - p0) < beta);
    const bool on_q = on & (size_of(q2 - q0) < beta);
    p1 = clip(p1 + (on_p ? move_p : 0), 0, 255);
    q1 = clip(q1 + (on_q ? move_q : 0), 0, 255);
    p0 = clip(p0 + (on ? delta : 0), 0, 255);
    q0 = clip(q0 - (on ? delta : 0), 0, 255);
}

// Sixteen lanes of 16 bits, written so that a compiler sees six rows that do not overlap.
template <int LANES>
SC_INLINE void smooth_lanes(const uint8_t* __restrict row_p2, uint8_t* __restrict row_p1,
                            uint8_t* __restrict row_p0, uint8_t* __restrict row_q0,
                            uint8_t* __restrict row_q1, const uint8_t* __restrict row_q2,
                            const int16_t* __restrict limit, int beta) {
    for (int k = 0; k < LANES; ++k) {
        int p1 = row_p1[k];
        int p0 = row_p0[k];
        int q0 = row_q0[k];
        int q1 = row_q1[k];
        smooth(row_p2[k], p1, p0, q0, q1, row_q2[k], limit[k], beta);
        row_p1[k] = static_cast<uint8_t>(p1);
        row_p0[k] = static_cast<uint8_t>(p0);
        row_q0[k] = static_cast<uint8_t>(q0);
        row_q1[k] = static_cast<uint8_t>(q1);
    }
}

template <int LANES>
SC_INLINE bool any(const int16_t* limit) {
    int16_t found = 0;
    for (int k = 0; k < LANES; ++k) found = static_cast<int16_t>(found | limit[k]);
    return found != 0;
}

// An edge between columns: its samples are turned into six rows, smoothed, and turned back.
template <int ROWS>
SC_INLINE void edge_left(uint8_t* q0, ptrdiff_t pitch, int16_t limit, int beta) {
    uint8_t lines[6][ROWS];
    int16_t limits[ROWS];
    for (int i = 0; i < ROWS; ++i) {
        for (int k = 0; k < 6; ++k) lines[k][i] = q0[i * pitch + k - 3];
        limits[i] = limit;
    }
    smooth_lanes<ROWS>(lines[0], lines[1], lines[2], lines[3], lines[4], lines[5], limits, beta);
    for (int i = 0; i < ROWS; ++i) {
        for (int k = 1; k < 5; ++k) q0[i * pitch + k - 3] = lines[k][i];
    }
}

}  // namespace

void edge_above(uint8_t* q0, ptrdiff_t pitch, EdgeLimits limits, int count) {
    int x = 0;
    for (; x + 16 <= count; x += 16) {
        if (!any<16>(limits.limit + x)) continue;
        uint8_t* at = q0 + x;
        smooth_lanes<16>(at - 3 * pitch, at - 2 * pitch, at - pitch, at, at + pitch,
                         at + 2 * pitch, limits.limit + x, limits.beta);
    }
    for (; x < count; x += 4) {
        if (!any<4>(limits.limit + x)) continue;
        uint8_t* at = q0 + x;
        smooth_lanes<4>(at - 3 * pitch, at - 2 * pitch, at - pitch, at, at + pitch, at + 2 * pitch,
                        limits.limit + x, limits.beta);
    }
}

void edges_left(uint8_t* q0, ptrdiff_t pitch, EdgeLimits limits, int edges, int apart, int rows) {
    for (int j = 0; j < edges; ++j) {
        const int16_t limit = limits.limit[j];
        if (limit == 0) continue;
        if (rows == 8) {
            edge_left<8>(q0 + j * apart, pitch, limit, limits.beta);
        } else {
            edge_left<4>(q0 + j * apart, pitch, limit, limits.beta);
        }
    }
}

}  // namespace sc::SC_LEVEL
