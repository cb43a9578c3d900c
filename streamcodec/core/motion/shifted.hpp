// SPDX-License-Identifier: Apache-2.0
// Quarter-sample shifts of a reference's luma, made tile by tile where the search looks.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "grid.hpp"
#include "kernels.hpp"

namespace sc {

// Sixteen planes of one size with MARGIN_PX samples around the picture. The plane of whole samples
// is there from `begin` on; the fifteen others are filled, all at once, in the tiles that a block
// is asked of. Threads may ask side by side: the first one fills a tile, others wait for it.
//
// Where it is rough, only the three planes of half samples are filled, a fifth of the memory to write;
// quarters are means of two samples of those (as in H.264), near what the decoder will predict.
class Shifted {
  public:
    static constexpr int MARGIN_PX = 32;  // reach, filter, and up to a multiple of a tile's rows

    // Take a reference of so many samples (multiples of 16); memory is kept from frame to frame.
    void begin(Grid<const u8> luma, bool rough);

    // The reference at (y, x) moved by a vector that `within_reach` holds for: where a block of
    // `size` samples a side comes from. Rows are `pitch` apart.
    // Not for quarters where it is rough.
    const u8* moved(int y, int x, int size, Vector by) {
        const int top = y + (by.dy >> 2), left = x + (by.dx >> 2);
        const int plane = 4 * (by.dy & 3) + (by.dx & 3);
        if (plane != 0) need(top, left, size, size);
        return first_[plane] + top * pitch_ + left;
    }
    [[nodiscard]] bool has(Vector by) const { return !rough_ || ((by.dy | by.dx) & 1) == 0; }
    // As `moved`, of any vector: `room` (16 x 16) is for samples that are nowhere yet.
    struct Patch {
        const u8* at;
        std::ptrdiff_t pitch;
    };
    Patch patch(int y, int x, int size, Vector by, u8* room) {
        if (has(by)) return {moved(y, x, size, by), pitch_};
        const auto [less, more] = halves(by);
        kernels_->mean(moved(y, x, size, less), moved(y, x, size, more), pitch_, size, room);
        return {room, BLOCK_PX};
    }
    // Sum of absolute differences of a block's samples and what any vector moves there.
    int sad(int y, int x, int size, Vector by, const u8* samples) {
        if (has(by)) {
            const u8* other = moved(y, x, size, by);
            return size == 16 ? kernels_->sad16(samples, other, pitch_)
                              : kernels_->sad8(samples, other, pitch_);
        }
        const auto [less, more] = halves(by);
        return kernels_->sad_of_mean(samples, moved(y, x, size, less), moved(y, x, size, more), pitch_,
                                     size);
    }
    // As `moved`, where all tiles were asked for before.
    [[nodiscard]] const u8* known(int y, int x, Vector by) const {
        return first_[4 * (by.dy & 3) + (by.dx & 3)] + (y + (by.dy >> 2)) * pitch_ + x +
               (by.dx >> 2);
    }
    // Fill the tiles under rows [top, top + height) and columns [left, left + width).
    void need(int top, int left, int height, int width) {
        const int last_row = (top + height - 1 + MARGIN_PX) / TILE_ROWS;
        const int last_column = (left + width - 1 + MARGIN_PX) / TILE_COLUMNS;
        for (int row = (top + MARGIN_PX) / TILE_ROWS; row <= last_row; ++row) {
            for (int column = (left + MARGIN_PX) / TILE_COLUMNS; column <= last_column; ++column) {
                if (tiles_[row * columns_ + column].load(std::memory_order_acquire) != READY) {
                    fill(row, column);
                }
            }
        }
    }
    void need_all();
    [[nodiscard]] std::ptrdiff_t pitch() const { return pitch_; }
    // How many tiles there are, and how many were filled since `begin`.
    [[nodiscard]] int tiles() const { return rows_ * columns_; }
    [[nodiscard]] int filled() const;

  private:
    // The half samples on both sides of a quarter.
    struct Two {
        Vector less, more;
    };
    static Two halves(Vector by) {
        const int dy = by.dy & 1, dx = by.dx & 1;
        return {{static_cast<i16>(by.dy - dy), static_cast<i16>(by.dx - dx)},
                {static_cast<i16>(by.dy + dy), static_cast<i16>(by.dx + dx)}};
    }
    enum State : u8 { EMPTY, FILLING, READY };
    void size(int height, int width);
    void fill(int row, int column);

    std::vector<u8> samples_;
    std::unique_ptr<std::atomic<u8>[]> tiles_;
    u8* first_[16] = {};  // sample (0, 0) of the picture in each plane
    std::ptrdiff_t pitch_ = 0;
    int height_ = 0;
    int width_ = 0;
    int rows_ = 0;  // of tiles
    int columns_ = 0;
    bool rough_ = false;
    const MotionKernels* kernels_ = nullptr;
};

}  // namespace sc
