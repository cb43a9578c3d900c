// SPDX-License-Identifier: Apache-2.0
// Quarter-sample shifts of a reference's luma, made tile by tile where the search looks.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "grid.hpp"
#include "kernels.hpp"

namespace sc {

// Sixteen planes of one size with MARGIN_PX samples around the picture. The plane of whole samples
// is there from `begin` on; the others are filled in the tiles that a block is asked of: the three of
// half samples, or all fifteen at once. Threads may ask side by side: the first one fills a tile,
// others wait for it.
class Shifted {
  public:
    enum Filled : u8 { NONE, HALVES, ALL };
    static constexpr int MARGIN_PX = 32;  // reach, filter, and up to a multiple of a tile's rows

    // Take a reference of so many samples (multiples of 16); memory is kept from frame to frame.
    // `least` is what is filled where any shift is asked for.
    void begin(Grid<const u8> luma, Filled least);

    // The reference at (y, x) moved by a vector that `within_reach` holds for: where a block of
    // `size` samples a side comes from. Rows are `pitch` apart.
    const u8* moved(int y, int x, int size, Vector by) {
        const int top = y + (by.dy >> 2), left = x + (by.dx >> 2);
        const int plane = 4 * (by.dy & 3) + (by.dx & 3);
        if (plane != 0) need(top, left, size, size, (plane & 5) == 0 ? HALVES : ALL);
        return first_[plane] + top * pitch_ + left;
    }
    // As `moved`, where all tiles were asked for before.
    [[nodiscard]] const u8* known(int y, int x, Vector by) const {
        return first_[4 * (by.dy & 3) + (by.dx & 3)] + (y + (by.dy >> 2)) * pitch_ + x +
               (by.dx >> 2);
    }
    // Fill the tiles under rows [top, top + height) and columns [left, left + width).
    void need(int top, int left, int height, int width, Filled asked) {
        const Filled filled = std::max(asked, least_);
        const int last_row = (top + height - 1 + MARGIN_PX) / TILE_ROWS;
        const int last_column = (left + width - 1 + MARGIN_PX) / TILE_COLUMNS;
        for (int row = (top + MARGIN_PX) / TILE_ROWS; row <= last_row; ++row) {
            for (int column = (left + MARGIN_PX) / TILE_COLUMNS; column <= last_column; ++column) {
                if (tiles_[row * columns_ + column].load(std::memory_order_acquire) < filled) {
                    fill(row, column, filled);
                }
            }
        }
    }
    void need_all();
    [[nodiscard]] std::ptrdiff_t pitch() const { return pitch_; }
    // How many tiles there are, and how many were filled since `begin`, if only with halves.
    [[nodiscard]] int tiles() const { return rows_ * columns_; }
    [[nodiscard]] int filled() const;

  private:
    void size(int height, int width);
    void fill(int row, int column, Filled filled);

    std::vector<u8> samples_;
    std::unique_ptr<std::atomic<u8>[]> tiles_;    // what is filled
    std::unique_ptr<std::atomic<u8>[]> claimed_;  // and what some thread has begun to
    u8* first_[16] = {};  // sample (0, 0) of the picture in each plane
    std::ptrdiff_t pitch_ = 0;
    Filled least_ = ALL;
    int height_ = 0;
    int width_ = 0;
    int rows_ = 0;  // of tiles
    int columns_ = 0;
    const MotionKernels* kernels_ = nullptr;
};

}  // namespace sc
