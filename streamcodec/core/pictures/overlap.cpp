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

void move_row(const ConstPlanes& reference, const Blocks& blocks, int row, Planes& out) {
    for (int column = 0; column < blocks.columns(); ++column) {
        const int mode = blocks.modes(row, column);
        if (mode >= INTRA16) continue;
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

enum Side { LEFT, ABOVE, RIGHT, BELOW };

// Mix one side of a cell with what its neighbour's vector predicts.
void mix_side(const ConstPlanes& reference, int row, int column, Side side, Vector theirs,
              Planes& out) {
    const PictureKernels& kernel = *kernels().pictures;
    alignas(16) u8 other[64];
    alignas(16) u8 chroma[2][16];
    // Above and below, half of the rows is all that is needed.
    const bool across = side == ABOVE || side == BELOW;
    const int rows = across ? 4 : 8;
    const int skipped = side == BELOW ? 4 : 0;
    luma_part(reference.y, 8 * row + skipped, 8 * column, theirs, rows, 8, other + 8 * skipped, 8);
    kernel.blend_luma(out.y.row(8 * row) + 8 * column, out.y.pitch, side, other, 8);
    const int first = 4 * (skipped / 2);
    chroma_part(reference, 4 * row + skipped / 2, 4 * column, theirs, rows / 2, 4,
                {{chroma[0] + first, chroma[1] + first}, {4, 4}});
    kernel.blend_chroma(chroma_at(out, 4 * row, 4 * column), side,
                        {{chroma[0], chroma[1]}, {4, 4}});
}

void mix_row(const ConstPlanes& reference, const Blocks& blocks, int row, Planes& out) {
    const Grid<Vector>& field = blocks.field;
    for (int column = 0; column < field.columns; ++column) {
        if (blocks.modes(row >> 1, column >> 1) >= INTRA16) continue;
        const Vector own = field(row, column);
        const auto try_side = [&](Side side, int y, int x) {
            const Vector theirs = field(y, x);
            if (theirs == own || blocks.modes(y >> 1, x >> 1) >= INTRA16) return;
            mix_side(reference, row, column, side, theirs, out);
        };
        if (column > 0) try_side(LEFT, row, column - 1);
        if (row > 0) try_side(ABOVE, row - 1, column);
        if (column + 1 < field.columns) try_side(RIGHT, row, column + 1);
        if (row + 1 < field.rows) try_side(BELOW, row + 1, column);
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
            mix_row(reference, blocks, 2 * row, out);
            mix_row(reference, blocks, 2 * row + 1, out);
        }
    });
}

void predict_plainly(ConstPlanes reference, const Blocks& blocks, Planes out) {
    check(reference, blocks, out);
    for (int row = 0; row < blocks.rows(); ++row) move_row(reference, blocks, row, out);
}

}  // namespace sc
