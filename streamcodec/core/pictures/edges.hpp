// SPDX-License-Identifier: Apache-2.0
// Windows of a plane that may reach outside it, where its edge samples repeat.
#pragma once

#include "grid.hpp"

namespace sc {

// The samples around a block: in the plane itself, or a copy where the window leaves the plane.
struct Window {
    const u8* at;  // the block's own first sample
    std::ptrdiff_t pitch;
};

inline constexpr int WINDOW_PX = 24;  // a 16x16 block and four samples around it

// How many samples a filter reads before and after its own.
struct Margin {
    int before = 0;
    int after = 0;
};

// rows x columns samples at (y, x) and those around them, down and across. `copy` gives room for
// WINDOW_PX x 32 samples. Any (y, x) will do: nothing outside the plane is read.
Window window(Grid<const u8> plane, int y, int x, int rows, int columns, Margin down,
              Margin across, u8* copy);

// Copy rows [first, last) of a plane to `to`, where rows are `pitch` apart, with `by` samples
// repeated left and right, and above the first row and below the last where those are among them.
void repeat_edges(Grid<const u8> plane, int by, u8* to, std::ptrdiff_t pitch, int first, int last);

}  // namespace sc
