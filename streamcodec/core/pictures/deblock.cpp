// SPDX-License-Identifier: Apache-2.0
#include "pictures/deblock.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "kernels.hpp"

namespace sc {

namespace {

constexpr int ROWS_A_JOB = 4;  // of blocks

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

// One row of cells at a time, with memory for its strengths and limits.
class Row {
  public:
    Row(const Blocks& blocks, const Thresholds& thresholds, Planes& planes)
        : blocks_(blocks),
          thresholds_(thresholds),
          planes_(planes),
          cells_(2 * blocks.columns()),
          left_(cells_),
          top_(cells_),
          luma_(8 * std::size_t(cells_)),
          chroma_(4 * std::size_t(cells_)) {}

    // Edges between columns in a row of cells.
    void columns(int row) {
        edge_strengths(blocks_, row, left_.data(), top_.data());
        const PictureKernels& kernel = *kernels().pictures;
        bool strong = false;
        for (int j = 1; j < cells_; ++j) {
            luma_[j] = thresholds_.limit[left_[j]];
            if (j % 2) continue;
            const bool chroma = left_[j] == 2;
            chroma_[j / 2] = chroma ? thresholds_.chroma_limit : i16{0};
            strong = strong || chroma;
        }
        kernel.edges_left(planes_.y.row(8 * row) + 8, planes_.y.pitch,
                          {luma_.data() + 1, thresholds_.beta}, cells_ - 1, 8, 8);
        if (!strong) return;
        for (const Grid<u8>* plane : {&planes_.u, &planes_.v}) {
            kernel.edges_left(plane->row(4 * row) + 8, plane->pitch,
                              {chroma_.data() + 1, thresholds_.chroma_beta}, cells_ / 2 - 1, 8, 4);
        }
    }

    // Edges above a row of cells, which is not the first one.
    void above(int row, bool known) {
        if (!known) edge_strengths(blocks_, row, left_.data(), top_.data());
        const PictureKernels& kernel = *kernels().pictures;
        bool any = false;
        bool strong = false;
        for (int j = 0; j < cells_; ++j) {
            std::fill_n(luma_.data() + 8 * j, 8, thresholds_.limit[top_[j]]);
            const bool chroma = row % 2 == 0 && top_[j] == 2;
            std::fill_n(chroma_.data() + 4 * j, 4, chroma ? thresholds_.chroma_limit : i16{0});
            any = any || top_[j];
            strong = strong || chroma;
        }
        if (any) {
            kernel.edge_above(planes_.y.row(8 * row), planes_.y.pitch,
                              {luma_.data(), thresholds_.beta}, 8 * cells_);
        }
        if (!strong) return;
        for (const Grid<u8>* plane : {&planes_.u, &planes_.v}) {
            kernel.edge_above(plane->row(4 * row), plane->pitch,
                              {chroma_.data(), thresholds_.chroma_beta}, 4 * cells_);
        }
    }

  private:
    const Blocks& blocks_;
    const Thresholds& thresholds_;
    Planes& planes_;
    int cells_;
    std::vector<u8> left_, top_;
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
            left[x] =
                between(blocks, own_row, column, own_row, column - 1, own, blocks.field(row, x - 1));
        } else {
            left[x] = 0;
        }
        if (row & 1) {
            top[x] = within(mode, split, own, blocks.field(row - 1, x));
        } else if (row > 0) {
            top[x] =
                between(blocks, own_row, column, own_row - 1, column, own, blocks.field(row - 1, x));
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
    const int rows = blocks.field.rows;
    constexpr int CELLS = 2 * ROWS_A_JOB;
    const int jobs = (rows + CELLS - 1) / CELLS;
    run_jobs(pool, jobs, [&](int job) {
        Row line(blocks, found, planes);
        const int first = CELLS * job;
        const int last = std::min(first + CELLS, rows);
        for (int row = first; row < last; ++row) {
            line.columns(row);
            if (row > first) line.above(row, true);
        }
    });
    run_jobs(pool, jobs - 1, [&](int job) {
        Row line(blocks, found, planes);
        line.above(CELLS * (job + 1), false);
    });
}

}  // namespace sc
