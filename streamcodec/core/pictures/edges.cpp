// SPDX-License-Identifier: Apache-2.0
#include "pictures/edges.hpp"

#include <algorithm>
#include <cstring>

namespace sc {

Window window(Grid<const u8> plane, int y, int x, int rows, int columns, Margin down,
              Margin across, u8* copy) {
    constexpr std::ptrdiff_t PITCH = 32;
    const int top = y - down.before;
    const int left = x - across.before;
    const int height = rows + down.before + down.after;
    const int width = columns + across.before + across.after;
    if (top >= 0 && left >= 0 && top + height <= plane.rows && left + width <= plane.columns) {
        return {plane.data + y * plane.pitch + x, plane.pitch};
    }
    if (height > WINDOW_PX || width > WINDOW_PX || plane.rows < 1 || plane.columns < 1) {
        throw Outside();
    }
    // Samples left of the plane, within it, and right of it.
    const int first = std::clamp(-left, 0, width);
    const int last = std::clamp(plane.columns - left, 0, width);
    for (int i = 0; i < height; ++i) {
        const u8* from = plane.row(std::clamp(top + i, 0, plane.rows - 1));
        u8* to = copy + i * PITCH;
        if (last > first) std::memcpy(to + first, from + left + first, last - first);
        if (first > 0) std::memset(to, from[0], first);
        if (last < width) std::memset(to + last, from[plane.columns - 1], width - last);
    }
    return {copy + down.before * PITCH + across.before, PITCH};
}

void repeat_edges(Grid<const u8> plane, int by, u8* to, std::ptrdiff_t pitch, int first,
                  int last) {
    for (int y = first; y < last; ++y) {
        const u8* from = plane.row(y);
        u8* row = to + y * pitch;
        std::memcpy(row, from, plane.columns);
        std::memset(row - by, from[0], by);
        std::memset(row + plane.columns, from[plane.columns - 1], by);
    }
    const auto repeat = [&](int y, int step) {
        for (int k = 1; k <= by; ++k) {
            std::memcpy(to + (y + k * step) * pitch - by, to + y * pitch - by,
                        plane.columns + 2 * by);
        }
    };
    if (first == 0) repeat(0, -1);
    if (last == plane.rows) repeat(plane.rows - 1, 1);
}

}  // namespace sc
