// SPDX-License-Identifier: Apache-2.0
#include "blocks/intra.hpp"

#include <algorithm>
#include <cstring>

#include "kernels.hpp"

namespace sc {

void gather(Grid<const u8> plane, const Square& square, Edge& edge) {
    const auto [y, x, size, right, below] = square;
    u8* corner = edge.at + 2 * size;
    if (y == 0 && x == 0) {
        std::memset(edge.at, 128, 4 * size + 1);
        return;
    }
    if (y < 0 || x < 0 || y + size > plane.rows || x + size > plane.columns) throw Outside();
    if (y > 0) {
        const int known = size + std::min(right, plane.columns - x - size);
        std::memcpy(corner + 1, plane.row(y - 1) + x, known);
        std::memset(corner + 1 + known, corner[known], 2 * size - known);
    }
    if (x > 0) {
        const int known = size + std::min(below, plane.rows - y - size);
        const u8* left = plane.row(y) + x - 1;
        for (int i = 0; i < known; ++i) corner[-1 - i] = left[i * plane.pitch];
        std::memset(corner - 2 * size, corner[-known], 2 * size - known);
    }
    if (y == 0) {
        std::memset(corner, corner[-1], 2 * size + 1);
    } else if (x == 0) {
        std::memset(edge.at, corner[1], 2 * size + 1);
    } else {
        *corner = plane(y - 1, x - 1);
    }
}

void smooth(const Edge& edge, int size, Edge& out) {
    const int last = 4 * size;
    out.at[0] = edge.at[0];
    out.at[last] = edge.at[last];
    for (int i = 1; i < last; ++i) {
        out.at[i] = static_cast<u8>((edge.at[i - 1] + 2 * edge.at[i] + edge.at[i + 1] + 2) >> 2);
    }
}

void predict(const Edge& edge, int size, int mode, u8* out, std::ptrdiff_t pitch) {
    if (mode < 0 || mode >= INTRA_MODES) throw Outside();
    kernels().blocks->predict(edge.at, size, mode, out, pitch);
}

void predict_square(Grid<const u8> plane, const Square& square, int mode, u8* out,
                    std::ptrdiff_t pitch) {
    Edge edge, soft;
    gather(plane, square, edge);
    const bool filtered = wants_smooth(mode, square.size);
    if (filtered) smooth(edge, square.size, soft);
    predict(filtered ? soft : edge, square.size, mode, out, pitch);
}

}  // namespace sc
