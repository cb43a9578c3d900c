// SPDX-License-Identifier: Apache-2.0
#include "motion/shifted.hpp"

#include <algorithm>
#include <cstring>
#include <thread>

namespace sc {

namespace {
// Rows of slack above and below the planes, since tiles of the outermost rows read beyond
// themselves (what they make of it is within reach of no vector), and samples after the last.
constexpr int SLACK_ROWS = 4;
constexpr int SLACK_SAMPLES = 256;
constexpr int LINE = 64;
}  // namespace

void Shifted::size(int height, int width) {
    if (height == height_ && width == width_) return;
    rows_ = (height + 2 * MARGIN_PX) / TILE_ROWS;
    columns_ = (width + 2 * MARGIN_PX + TILE_COLUMNS - 1) / TILE_COLUMNS;
    pitch_ = static_cast<std::ptrdiff_t>(columns_) * TILE_COLUMNS;
    const std::size_t plane = static_cast<std::size_t>(pitch_) * (height + 2 * MARGIN_PX);
    const std::size_t slack = static_cast<std::size_t>(pitch_) * SLACK_ROWS + SLACK_SAMPLES;
    samples_.assign(16 * plane + 2 * slack + LINE, 0);
    tiles_ = std::make_unique<std::atomic<u8>[]>(static_cast<std::size_t>(rows_) * columns_);
    auto* start = samples_.data() + slack;
    start += (LINE - reinterpret_cast<std::uintptr_t>(start) % LINE) % LINE;
    for (int k = 0; k < 16; ++k) {
        first_[k] = start + k * plane + MARGIN_PX * pitch_ + MARGIN_PX;
    }
    height_ = height;
    width_ = width;
}

void Shifted::begin(Grid<const u8> luma, bool rough) {
    rough_ = rough;
    size(luma.rows, luma.columns);
    kernels_ = kernels().motion;
    for (int i = 0; i < rows_ * columns_; ++i) tiles_[i].store(EMPTY, std::memory_order_relaxed);
    const std::ptrdiff_t beyond = pitch_ - MARGIN_PX - width_;
    for (int y = 0; y < height_; ++y) {
        u8* out = first_[0] + y * pitch_;
        const u8* row = luma.row(y);
        std::memset(out - MARGIN_PX, row[0], MARGIN_PX);
        std::memcpy(out, row, width_);
        std::memset(out + width_, row[width_ - 1], beyond);
    }
    u8* top = first_[0] - MARGIN_PX;
    const u8* bottom = top + (height_ - 1) * pitch_;
    for (int y = 1; y <= MARGIN_PX; ++y) {
        std::memcpy(top - y * pitch_, top, pitch_);
        std::memcpy(top + (height_ - 1 + y) * pitch_, bottom, pitch_);
    }
}

void Shifted::fill(int row, int column) {
    auto& tile = tiles_[row * columns_ + column];
    u8 found = EMPTY;
    if (!tile.compare_exchange_strong(found, FILLING, std::memory_order_acquire)) {
        while (tile.load(std::memory_order_acquire) != READY) std::this_thread::yield();
        return;
    }
    const std::ptrdiff_t at =
        (row * TILE_ROWS - MARGIN_PX) * pitch_ + column * TILE_COLUMNS - MARGIN_PX;
    u8* planes[16];
    for (int k = 0; k < 16; ++k) planes[k] = first_[k] + at;
    (rough_ ? kernels_->halve_tile : kernels_->shift_tile)(planes[0], pitch_, planes);
    tile.store(READY, std::memory_order_release);
}

void Shifted::need_all() {
    need(-MARGIN_PX, -MARGIN_PX, height_ + 2 * MARGIN_PX, static_cast<int>(pitch_));
}

int Shifted::filled() const {
    int count = 0;
    for (int i = 0; i < rows_ * columns_; ++i) {
        count += tiles_[i].load(std::memory_order_relaxed) == READY;
    }
    return count;
}

}  // namespace sc
