// SPDX-License-Identifier: Apache-2.0
#include "pictures/overlap.hpp"

#include <cstring>

#include "kernels.hpp"
#include "pictures/compensate.hpp"

namespace sc {

namespace {

constexpr int ROWS_A_JOB = 2;

ChromaTo chroma_at(const Planes& planes, int y, int x) {
    return {{planes.u.row(y) + x, planes.v.row(y) + x}, {planes.u.pitch, planes.v.pitch}};
}

// A square of luma at (y, x) and its chroma.
void move_square(const ConstPlanes& reference, int y, int x, Vector by, int size, Planes& out) {
    luma_part(reference.y, y, x, by, size, size, out.y.row(y) + x, out.y.pitch);
    chroma_part(reference, y / 2, x / 2, by, size / 2, size / 2, chroma_at(out, y / 2, x / 2));
}

void clear(int row, int column, const Planes& out) {
    for (int i = 0; i < 16; ++i) std::memset(out.y.row(16 * row + i) + 16 * column, 0, 16);
    for (int i = 0; i < 8; ++i) {
        std::memset(out.u.row(8 * row + i) + 8 * column, 0, 8);
        std::memset(out.v.row(8 * row + i) + 8 * column, 0, 8);
    }
}

void move_row(const ConstPlanes& reference, const Blocks& blocks, int row, Planes& out) {
    for (int column = 0; column < blocks.columns(); ++column) {
        const int mode = blocks.modes(row, column);
        if (mode >= INTRA16) {
            clear(row, column, out);
            continue;
        }
        if (mode == INTER16) {
            move_square(reference, 16 * row, 16 * column, blocks.field(2 * row, 2 * column), 16,
                        out);
            continue;
        }
        for (int k = 0; k < 4; ++k) {
            const int i = 2 * row + (k >> 1);
            const int j = 2 * column + (k & 1);
            move_square(reference, 8 * i, 8 * j, blocks.field(i, j), 8, out);
        }
    }
}

enum class Border { LEFT, ABOVE, RIGHT, BELOW };
constexpr Border BORDERS[] = {Border::LEFT, Border::ABOVE, Border::RIGHT, Border::BELOW};

// Mix one side of a cell, or of two cells that lie along it, with what a neighbour's vector
// predicts. Above and below, half of the rows is all that is needed.
void mix(const ConstPlanes& reference, int row, int column, int cells, Border side, Vector theirs,
         Planes& out) {
    constexpr int PITCH = 16;
    constexpr int CHROMA_PITCH = 8;
    alignas(32) u8 luma[PITCH * 16];
    alignas(32) u8 chroma[2][CHROMA_PITCH * 8];
    const bool in_rows = side == Border::ABOVE || side == Border::BELOW;
    const int rows = in_rows ? 4 : 8 * cells;
    const int columns = in_rows ? 8 * cells : 8;
    const int skipped = side == Border::BELOW ? 4 : 0;
    luma_part(reference.y, 8 * row + skipped, 8 * column, theirs, rows, columns,
              luma + PITCH * skipped, PITCH);
    const int first = CHROMA_PITCH * (skipped / 2);
    chroma_part(reference, 4 * row + skipped / 2, 4 * column, theirs, rows / 2, columns / 2,
                {{chroma[0] + first, chroma[1] + first}, {CHROMA_PITCH, CHROMA_PITCH}});
    const PictureKernels& kernel = *kernels().pictures;
    for (int k = 0; k < cells; ++k) {
        const int i = in_rows ? 0 : k;
        const int j = in_rows ? k : 0;
        kernel.blend_luma(out.y.row(8 * (row + i)) + 8 * (column + j), out.y.pitch, static_cast<int>(side),
                          luma + 8 * (PITCH * i + j), PITCH);
        const int at = 4 * (CHROMA_PITCH * i + j);
        kernel.blend_chroma(chroma_at(out, 4 * (row + i), 4 * (column + j)), static_cast<int>(side),
                            {{chroma[0] + at, chroma[1] + at}, {CHROMA_PITCH, CHROMA_PITCH}});
    }
}

// The neighbour of a cell at a side, if it moves by another vector than the cell.
struct Neighbour {
    bool differs = false;
    Vector by;
};
Neighbour neighbour(const Blocks& blocks, int row, int column, Border side) {
    const int y = row + (side == Border::ABOVE ? -1 : (side == Border::BELOW ? 1 : 0));
    const int x = column + (side == Border::LEFT ? -1 : (side == Border::RIGHT ? 1 : 0));
    if (!blocks.field.has(y, x) || blocks.modes(y >> 1, x >> 1) >= INTRA16) return {};
    const Vector theirs = blocks.field(y, x);
    return {theirs != blocks.field(row, column), theirs};
}

bool has_one_vector(const Blocks& blocks, int row, int column) {
    const Vector first = blocks.field(2 * row, 2 * column);
    return first == blocks.field(2 * row, 2 * column + 1) &&
           first == blocks.field(2 * row + 1, 2 * column) &&
           first == blocks.field(2 * row + 1, 2 * column + 1);
}

// A block of one vector: only its outer sides, each of two cells. Cells do not depend on one
// another, so that going round by sides keeps the order that each cell asks for.
void mix_whole(const ConstPlanes& reference, const Blocks& blocks, int row, int column,
               Planes& out) {
    for (const Border side : BORDERS) {
        const int y = 2 * row + (side == Border::BELOW);
        const int x = 2 * column + (side == Border::RIGHT);
        const bool in_rows = side == Border::ABOVE || side == Border::BELOW;
        const int yy = y + !in_rows;
        const int xx = x + in_rows;
        const Neighbour one = neighbour(blocks, y, x, side);
        const Neighbour other = neighbour(blocks, yy, xx, side);
        if (one.differs && other.differs && one.by == other.by) {
            mix(reference, y, x, 2, side, one.by, out);
            continue;
        }
        if (one.differs) mix(reference, y, x, 1, side, one.by, out);
        if (other.differs) mix(reference, yy, xx, 1, side, other.by, out);
    }
}

void mix_row(const ConstPlanes& reference, const Blocks& blocks, int row, Planes& out) {
    for (int column = 0; column < blocks.columns(); ++column) {
        if (blocks.modes(row, column) >= INTRA16) continue;
        if (has_one_vector(blocks, row, column)) {
            mix_whole(reference, blocks, row, column, out);
            continue;
        }
        for (int k = 0; k < 4; ++k) {
            const int y = 2 * row + (k >> 1);
            const int x = 2 * column + (k & 1);
            for (const Border side : BORDERS) {
                const Neighbour found = neighbour(blocks, y, x, side);
                if (found.differs) mix(reference, y, x, 1, side, found.by, out);
            }
        }
    }
}

void check(const ConstPlanes& reference, const Blocks& blocks, const Planes& out) {
    const auto fits = [&](const Grid<const u8>& plane, int side) {
        return plane.rows == side * blocks.rows() && plane.columns == side * blocks.columns();
    };
    if (!(fits(reference.y, 16) && fits(reference.u, 8) && fits(reference.v, 8) &&
          fits(out.y, 16) && fits(out.u, 8) && fits(out.v, 8))) {
        throw Outside();
    }
}

}  // namespace

void predict(ConstPlanes reference, const Blocks& blocks, Planes out, Pool* pool) {
    check(reference, blocks, out);
    const int jobs = (blocks.rows() + ROWS_A_JOB - 1) / ROWS_A_JOB;
    run_jobs(pool, jobs, [&](int job) {
        const int last = job + 1 == jobs ? blocks.rows() : ROWS_A_JOB * (job + 1);
        for (int row = ROWS_A_JOB * job; row < last; ++row) {
            move_row(reference, blocks, row, out);
            mix_row(reference, blocks, row, out);
        }
    });
}

}  // namespace sc
