// SPDX-License-Identifier: Apache-2.0
#include "pictures/quarter.hpp"

#include <algorithm>
#include <cstring>

#include "kernels.hpp"
#include "pictures/compensate.hpp"

namespace sc {

namespace {

constexpr int BEFORE = 3;  // samples that a filter reads before its own
constexpr int AFTER = 4;
// Rows that one job fills; each makes seven more rows of horizontal sums than that.
constexpr int BAND_PX = 64;
constexpr std::size_t LINE = 64;  // bytes of a cache line

int up_to(int value, int unit) { return (value + unit - 1) / unit * unit; }

// The last eight rows of horizontal sums, by three fractions.
class Sums {
  public:
    explicit Sums(int count) : count_(count), rows_(std::size_t(3) * 8 * count) {}
    i16* row(int fraction, int y) {
        return rows_.data() + static_cast<std::size_t>(8 * fraction + (y & 7)) * count_;
    }

  private:
    int count_;
    std::vector<i16> rows_;
};

}  // namespace

void QuarterPlanes::size(int height, int width) {
    if (height == height_ && width == width_) return;
    // Rows begin REACH_PX before the picture, on a multiple of the kernels' step; between two rows
    // lies enough for what filters read, and for whole steps.
    const int left = up_to(REACH_PX + BEFORE, QUARTER_STEP) + REACH_PX;
    const int reached = up_to(width + 2 * REACH_PX, QUARTER_STEP) + AFTER;
    pitch_ = up_to(left - REACH_PX + std::max(reached, width + REACH_PX + MARGIN_PX), QUARTER_STEP);
    // One line more for each plane: rows of sixteen planes must not all meet in the same cache set.
    const std::size_t plane = (height + 2 * MARGIN_PX + 1) * pitch_ + LINE;
    samples_.assign(16 * plane + LINE, 0);
    auto* start = samples_.data();
    start += (LINE - reinterpret_cast<std::uintptr_t>(start) % LINE) % LINE;
    for (int k = 0; k < 16; ++k) first_[k] = start + k * plane + MARGIN_PX * pitch_ + left;
    height_ = height;
    width_ = width;
}

void QuarterPlanes::repeat_edges(Grid<const u8> luma) {
    u8* first = first_[0];
    for (int y = 0; y < height_; ++y) {
        u8* to = first + y * pitch_;
        const u8* from = luma.row(y);
        std::memcpy(to, from, width_);
        std::memset(to - MARGIN_PX, from[0], MARGIN_PX);
        std::memset(to + width_, from[width_ - 1], MARGIN_PX);
    }
    const std::size_t length = width_ + 2 * MARGIN_PX;
    const u8* top = first - MARGIN_PX;
    const u8* bottom = top + (height_ - 1) * pitch_;
    for (int k = 1; k <= MARGIN_PX; ++k) {
        std::memcpy(first - MARGIN_PX - k * pitch_, top, length);
        std::memcpy(first - MARGIN_PX + (height_ - 1 + k) * pitch_, bottom, length);
    }
}

void QuarterPlanes::fill(Grid<const u8> luma, Pool* pool) {
    if (luma.rows < 1 || luma.columns < 1) throw Outside();
    size(luma.rows, luma.columns);
    repeat_edges(luma);
    const PictureKernels& kernel = *kernels().pictures;
    const int first = -REACH_PX;
    const int last = height_ + REACH_PX;
    const int count = up_to(width_ + 2 * REACH_PX, QUARTER_STEP);
    const auto row_of = [&](int plane, int y) { return first_[plane] + y * pitch_ - REACH_PX; };
    const auto band = [&](int index) {
        const int begin = first + index * BAND_PX;
        const int end = std::min(begin + BAND_PX, last);
        Sums sums(count);
        std::vector<u8> spare(3 * std::size_t(count));  // finished samples of rows beyond the band
        for (int y = begin - BEFORE; y < end + AFTER; ++y) {
            const bool own = y >= begin && y < end;
            i16* wide[3];
            u8* done[3];
            for (int f = 0; f < 3; ++f) {
                wide[f] = sums.row(f, y);
                done[f] = own ? row_of(f + 1, y) : spare.data() + std::size_t(f) * count;
            }
            kernel.quarter_across(row_of(0, y), count, wide, done);
            const int below = y - AFTER;
            if (below < begin) continue;
            QuarterRows rows;
            u8* out[12];
            for (int k = 0; k < 8; ++k) {
                const int yy = below + k - BEFORE;
                rows.plain[k] = row_of(0, yy);
                for (int f = 0; f < 3; ++f) rows.wide[f][k] = sums.row(f, yy);
            }
            for (int k = 0; k < 12; ++k) out[k] = row_of(4 + k, below);
            kernel.quarter_down(rows, count, out);
        }
    };
    run_jobs(pool, (last - first + BAND_PX - 1) / BAND_PX, band);
}

}  // namespace sc
