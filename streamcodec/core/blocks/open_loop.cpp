// SPDX-License-Identifier: Apache-2.0
#include "blocks/open_loop.hpp"

#include <algorithm>

#include "blocks/intra_walk.hpp"
#include "blocks/transform.hpp"
#include "kernels.hpp"
#include "motion/field.hpp"
#include "pool.hpp"

namespace sc {

bool differences(const ConstPlanes& source, const ConstPlanes& prediction, int row, int column,
                 float* out) {
    const BlockKernels& run = *kernels().blocks;
    const auto part = [&](Grid<const u8> a, Grid<const u8> b, int size, float* to) {
        return run.subtract(a.row(size * row) + size * column, a.pitch,
                            b.row(size * row) + size * column, b.pitch, size, to, size);
    };
    const bool y = part(source.y, prediction.y, 16, out);
    const bool u = part(source.u, prediction.u, 8, out + 256);
    const bool v = part(source.v, prediction.v, 8, out + 320);
    return y || u || v;
}

void transform_inter(BlocksWorkspace& workspace, const ConstPlanes& source,
                     const ConstPlanes& prediction, const Blocks& blocks,
                     Grid<const Vector> reference_field, float inverse_step, Grid<float> coefficients,
                     Grid<u8> free, Splitting splitting, Pool* pool) {
    const int rows = blocks.rows(), columns = blocks.columns();
    const Grid<u8> sides = BlocksWorkspace::grid_in(workspace.sides, rows, columns);
    unite(blocks.modes, blocks.field, sides);
    const auto how_free = [&](int row, int column) {
        if (sides(row, column) > 1) return Free::JOINED;
        if (blocks.modes(row, column) != INTER16) return Free::NO;
        const Candidates candidates = candidates_of(blocks.field, reference_field, row, column, 1);
        return which(candidates, blocks.field(2 * row, 2 * column)) >= 0 ? Free::TAKEN : Free::NO;
    };
    run_jobs(pool, band_count(rows), [&](int index) {
        const Band band = band_of(rows, index);
        alignas(32) float samples[CHANNELS];
        for (int row = band.first; row < band.last; ++row) {
            for (int column = 0; column < columns; ++column) {
                float* levels = coefficients.row(row * columns + column);
                free(row, column) = 0;
                if (blocks.modes(row, column) >= INTRA16) {
                    std::fill_n(levels, CHANNELS, 0.0F);
                    continue;
                }
                free(row, column) = static_cast<u8>(how_free(row, column));
                blocks.splits(row, column) = 0;
                if (differences(source, prediction, row, column, samples)) {
                    blocks.splits(row, column) =
                        static_cast<u8>(forward_cheapest(samples, inverse_step, levels, splitting));
                } else {
                    std::fill_n(levels, CHANNELS, 0.0F);
                }
            }
        }
    });
}

void open_loop(const ConstPlanes& source, const Blocks& blocks, Grid<float> coefficients,
               Pool* pool) {
    const BlockKernels& run = *kernels().blocks;
    run_jobs(pool, band_count(blocks.rows()), [&](int index) {
        const Band band = band_of(blocks.rows(), index);
        alignas(32) float samples[CHANNELS];
        u8 guess[256];
        const auto subtract = [&](Grid<const u8> plane, const Square& square, int mode, float* out,
                                  int pitch) {
            predict_square(plane, square, mode, guess, square.size);
            run.subtract(plane.row(square.y) + square.x, plane.pitch, guess, square.size,
                         square.size, out, pitch);
        };
        for (int row = band.first; row < band.last; ++row) {
            for (int column = 0; column < blocks.columns(); ++column) {
                if (blocks.modes(row, column) < INTRA16) continue;
                walk_luma(blocks, row, column, false, [&](const LumaSquare& one) {
                    float* out = samples + (one.quarter >> 1) * 128 + (one.quarter & 1) * 8;
                    subtract(source.y, one.square, one.mode, out, 16);
                });
                const int mode = blocks.intra_modes(2 * row, 2 * column);
                subtract(source.u, chroma_square(row, column), mode, samples + 256, 8);
                subtract(source.v, chroma_square(row, column), mode, samples + 320, 8);
                forward(samples, blocks.splits(row, column),
                        coefficients.row(row * blocks.columns() + column));
            }
        }
    });
}

void shift_coefficients(const Added& added, const Blocks& blocks, Grid<float> coefficients,
                        Pool* pool) {
    run_jobs(pool, band_count(blocks.rows()), [&](int index) {
        const Band band = band_of(blocks.rows(), index);
        alignas(32) float samples[CHANNELS];
        alignas(32) float change[CHANNELS];
        for (int row = band.first; row < band.last; ++row) {
            for (int column = 0; column < blocks.columns(); ++column) {
                std::fill_n(samples, CHANNELS, 0.0F);
                add_block(added, row, column, samples);
                forward(samples, blocks.splits(row, column), change);
                float* levels = coefficients.row(row * blocks.columns() + column);
                for (int c = 0; c < CHANNELS; ++c) levels[c] += change[c];
            }
        }
    });
}

}  // namespace sc
