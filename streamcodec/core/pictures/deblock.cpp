// SPDX-License-Identifier: Apache-2.0
#include "pictures/deblock.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "kernels.hpp"

namespace sc {

namespace {

constexpr int BLOCK_ROWS_A_JOB = 4;  // of blocks

// Thresholds by strength. Beyond 1,024 they change nothing, and 16 bits hold them.
struct Thresholds {
    i16 limit[3] = {0, 0, 0};
    i16 chroma_limit = 0;
    i16 beta = 0;
    i16 chroma_beta = 0;
};

i16 capped(i64 value) { return static_cast<i16>(std::clamp<i64>(value, 0, 1024)); }

Thresholds thresholds(i64 step_q3, i64 chroma_step_q3) {
    Thresholds t;
    for (int s = 1; s < 3; ++s) t.limit[s] = capped(std::max<i64>(step_q3 * (2 + s) / 256, 1));
    t.chroma_limit = capped(std::max<i64>(chroma_step_q3 * 4 / 256, 1));
    t.beta = capped(2 + step_q3 * 5 / 64);
    t.chroma_beta = capped(2 + chroma_step_q3 * 5 / 64);
    return t;
}

bool far(Vector a, Vector b) {
    return std::abs(a.dy - b.dy) >= 4 || std::abs(a.dx - b.dx) >= 4;
}

// Strength between cells of two blocks.
u8 between(const Blocks& blocks, int row, int column, int other_row, int other_column, Vector own,
           Vector theirs) {
    if (blocks.modes(row, column) >= INTRA16 || blocks.modes(other_row, other_column) >= INTRA16) {
        return 2;
    }
    return blocks.counts(row, column) || blocks.counts(other_row, other_column) ||
           far(own, theirs);
}

// Strength between two cells of one block.
u8 within(int mode, bool split, Vector own, Vector theirs) {
    if (mode == INTRA16) return 0;
    if (mode > INTRA16) return 2;
    return split || far(own, theirs);
}

// One row of blocks at a time, with memory for its strengths and limits.
class BlockRow {
  public:
    BlockRow(const Blocks& blocks, const Thresholds& thresholds, Planes& planes)
        : blocks_(blocks), thresholds_(thresholds), planes_(planes), cells_(2 * blocks.columns()) {
        for (auto& one : left_) one.resize(cells_);
        for (auto& one : top_) one.resize(cells_);
        luma_.resize(8 * std::size_t(cells_));
        chroma_.resize(4 * std::size_t(cells_));
    }

    void learn(int row) {
        row_ = row;
        for (int k = 0; k < 2; ++k) {
            edge_strengths(blocks_, 2 * row + k, left_[k].data(), top_[k].data());
        }
    }

    // Edges between columns.
    void columns() {
        bool any = false;
        bool strong = false;
        for (int j = 1; j < cells_; ++j) {
            for (int k = 0; k < 2; ++k) {
                const u8 strength = left_[k][j];
                luma_[2 * j + k] = thresholds_.limit[strength];
                any = any || strength;
                if (j % 2) continue;
                chroma_[j + k] = strength == 2 ? thresholds_.chroma_limit : i16{0};
                strong = strong || strength == 2;
            }
        }
        const PictureKernels& kernel = *kernels().pictures;
        if (any) {
            kernel.edges_left(planes_.y.row(16 * row_) + 8, planes_.y.pitch,
                              {luma_.data() + 2, thresholds_.beta}, cells_ - 1, 16);
        }
        if (!strong) return;
        for (const Grid<u8>* plane : {&planes_.u, &planes_.v}) {
            kernel.edges_left(plane->row(8 * row_) + 8, plane->pitch,
                              {chroma_.data() + 2, thresholds_.chroma_beta}, cells_ / 2 - 1, 8);
        }
    }

    // The edge above the upper (0) or the lower (1) row of cells; not that of the first row.
    void above(int half) {
        const auto& top = top_[half];
        bool any = false;
        bool strong = false;
        for (int j = 0; j < cells_; ++j) {
            std::fill_n(luma_.data() + 8 * j, 8, thresholds_.limit[top[j]]);
            any = any || top[j];
            if (half) continue;
            std::fill_n(chroma_.data() + 4 * j, 4,
                        top[j] == 2 ? thresholds_.chroma_limit : i16{0});
            strong = strong || top[j] == 2;
        }
        const PictureKernels& kernel = *kernels().pictures;
        if (any) {
            kernel.edge_above(planes_.y.row(16 * row_ + 8 * half), planes_.y.pitch,
                              {luma_.data(), thresholds_.beta}, 8 * cells_);
        }
        if (!strong) return;
        for (const Grid<u8>* plane : {&planes_.u, &planes_.v}) {
            kernel.edge_above(plane->row(8 * row_), plane->pitch,
                              {chroma_.data(), thresholds_.chroma_beta}, 4 * cells_);
        }
    }

  private:
    const Blocks& blocks_;
    const Thresholds& thresholds_;
    Planes& planes_;
    int cells_;
    int row_ = 0;
    std::vector<u8> left_[2], top_[2];
    std::vector<i16> luma_, chroma_;
};

}  // namespace

void edge_strengths(const Blocks& blocks, int row, u8* left, u8* top) {
    const int cells = blocks.field.columns;
    const int own_row = row >> 1;
    for (int x = 0; x < cells; ++x) {
        const int column = x >> 1;
        const int mode = blocks.modes(own_row, column);
        const bool split = blocks.splits(own_row, column) && blocks.counts(own_row, column);
        const Vector own = blocks.field(row, x);
        if (x & 1) {
            left[x] = within(mode, split, own, blocks.field(row, x - 1));
        } else if (x > 0) {
            left[x] = between(blocks, own_row, column, own_row, column - 1, own,
                              blocks.field(row, x - 1));
        } else {
            left[x] = 0;
        }
        if (row & 1) {
            top[x] = within(mode, split, own, blocks.field(row - 1, x));
        } else if (row > 0) {
            top[x] = between(blocks, own_row, column, own_row - 1, column, own,
                             blocks.field(row - 1, x));
        } else {
            top[x] = 0;
        }
    }
}

void deblock(const Blocks& blocks, int step_q3, int chroma_step_q3, Planes planes, Pool* pool) {
    const auto fits = [&](const Grid<u8>& plane, int side) {
        return plane.rows == side * blocks.rows() && plane.columns == side * blocks.columns();
    };
    if (!(fits(planes.y, 16) && fits(planes.u, 8) && fits(planes.v, 8))) throw Outside();
    const Thresholds found = thresholds(step_q3, chroma_step_q3);
    const int rows = blocks.rows();
    const int jobs = (rows + BLOCK_ROWS_A_JOB - 1) / BLOCK_ROWS_A_JOB;
    run_jobs(pool, jobs, [&](int job) {
        BlockRow line(blocks, found, planes);
        const int first = BLOCK_ROWS_A_JOB * job;
        const int last = std::min(first + BLOCK_ROWS_A_JOB, rows);
        for (int row = first; row < last; ++row) {
            line.learn(row);
            line.columns();
            if (row > first) line.above(0);
            line.above(1);
        }
    });
    run_jobs(pool, jobs - 1, [&](int job) {
        BlockRow line(blocks, found, planes);
        line.learn(BLOCK_ROWS_A_JOB * (job + 1));
        line.above(0);
    });
}

}  // namespace sc
