// SPDX-License-Identifier: Apache-2.0
// All quarter-sample shifts of a reference's luma, for the search.
#pragma once

#include <vector>

#include "grid.hpp"
#include "pool.hpp"

namespace sc {

// Sixteen planes of the same size, each with MARGIN_PX samples around the picture. Plane (0, 0) is
// the picture with its edges repeated through the whole margin. The others hold what `luma_block`
// predicts, in the picture and REACH_PX around it; farther out they hold nothing of use.
class QuarterPlanes {
  public:
    static constexpr int MARGIN_PX = 32;

    // Sample (y, x) of the picture moved by quarters of a sample, each 0 to 3. The caller keeps to
    // blocks for which `within_reach` holds; `pitch` leads to the next row.
    [[nodiscard]] const u8* at(int fy, int fx, int y, int x) const {
        return first_[4 * fy + fx] + y * pitch_ + x;
    }
    // The picture at (y, x) moved by a vector: where a block that moves so comes from.
    [[nodiscard]] const u8* moved(int y, int x, Vector by) const {
        return at(by.dy & 3, by.dx & 3, y + (by.dy >> 2), x + (by.dx >> 2));
    }
    [[nodiscard]] std::ptrdiff_t pitch() const { return pitch_; }
    [[nodiscard]] int height() const { return height_; }
    [[nodiscard]] int width() const { return width_; }

    // Fill all planes from a picture's luma; memory is kept from frame to frame.
    void fill(Grid<const u8> luma, Pool* pool);

  private:
    void size(int height, int width);
    void repeat_edges(Grid<const u8> luma);

    std::vector<u8> samples_;
    u8* first_[16] = {};  // sample (0, 0) of the picture in each plane
    std::ptrdiff_t pitch_ = 0;
    int height_ = 0;
    int width_ = 0;
};

// QuarterPlanes::fill by another name.
inline void quarter_planes(Grid<const u8> luma, QuarterPlanes& out, Pool* pool) {
    out.fill(luma, pool);
}

}  // namespace sc
