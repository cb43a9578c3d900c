// SPDX-License-Identifier: Apache-2.0
#include "blocks/rebuild.hpp"

#include "blocks/intra_walk.hpp"
#include "blocks/residual.hpp"
#include "pool.hpp"

namespace sc {
namespace {

struct Rebuilder {
    const Blocks& blocks;
    Grid<const i16> symbols;
    const i32* steps_q3;
    const Planes& planes;

    // The block's residual, and whether it has one.
    bool take(int row, int column, Residual& residual) const {
        const int count = blocks.counts(row, column);
        if (count == 0) return false;
        if (count > GROUPS) throw Outside();
        residual.put(symbols.row(row * blocks.columns() + column), GROUP_STARTS[count], steps_q3,
                     split_of(blocks, row, column));
        return true;
    }

    void add_chroma(int row, int column, Residual& residual) const {
        residual.add_chroma(planes.u.row(8 * row) + 8 * column, planes.u.pitch, 0);
        residual.add_chroma(planes.v.row(8 * row) + 8 * column, planes.v.pitch, 1);
    }

    // Rows [first, last) of inter blocks; returns whether there are intra ones.
    bool inter(int first, int last) const {
        Residual residual;
        bool others = false;
        for (int row = first; row < last; ++row) {
            for (int column = 0; column < blocks.columns(); ++column) {
                if (blocks.modes(row, column) >= INTRA16) {
                    others = true;
                } else if (take(row, column, residual)) {
                    residual.add_luma(planes.y.row(16 * row) + 16 * column, planes.y.pitch,
                                      blocks.splits(row, column));
                    add_chroma(row, column, residual);
                }
            }
        }
        return others;
    }

    void intra(int row, int column, Residual& residual) const {
        const bool coded = take(row, column, residual);
        walk_luma(blocks, row, column, true, [&](const LumaSquare& one) {
            u8* at = predict_in(planes.y, one.square, one.mode);
            if (!coded) return;
            if (one.square.size == 16) {
                residual.add_luma(at, planes.y.pitch, blocks.splits(row, column));
            } else if (one.kind == EIGHT) {
                residual.add_quarter(at, planes.y.pitch, one.quarter);
            } else {
                residual.add_sixteenth(at, planes.y.pitch, one.quarter, one.part, one.kind);
            }
        });
        predict_chroma(blocks, row, column, planes);
        if (coded) add_chroma(row, column, residual);
    }
};

}  // namespace

void rebuild(const Blocks& blocks, Grid<const i16> symbols, const i32* steps_q3,
             const Planes& planes, Pool* pool) {
    const Rebuilder one{blocks, symbols, steps_q3, planes};
    bool others[64] = {};
    const int bands = band_count(blocks.rows());
    run_jobs(pool, bands, [&](int index) {
        const Band band = band_of(blocks.rows(), index);
        others[index] = one.inter(band.first, band.last);
    });
    Residual residual;
    for (int index = 0; index < bands; ++index) {
        if (!others[index]) continue;
        const Band band = band_of(blocks.rows(), index);
        for (int row = band.first; row < band.last; ++row) {
            for (int column = 0; column < blocks.columns(); ++column) {
                if (blocks.modes(row, column) >= INTRA16) one.intra(row, column, residual);
            }
        }
    }
}

}  // namespace sc
