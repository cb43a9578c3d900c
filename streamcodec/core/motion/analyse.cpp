// SPDX-License-Identifier: Apache-2.0
#include "motion/analyse.hpp"

#include <stdexcept>

#include "motion/intra_search.hpp"
#include "motion/search.hpp"
#include "motion/squares.hpp"

namespace sc {

namespace {

constexpr int SAMPLES = BLOCK_PX * BLOCK_PX;

void require_size(Grid<const u8> luma, const Blocks& blocks, const char* message) {
    if (luma.rows != BLOCK_PX * blocks.rows() || luma.columns != BLOCK_PX * blocks.columns()) {
        throw std::invalid_argument(message);
    }
}

// Rows of blocks, each block's samples one after the other.
void take_samples(Grid<const u8> source, Grid<u8> samples) {
    for (int row = 0; row < samples.rows; ++row) {
        for (int i = 0; i < BLOCK_PX; ++i) {
            const u8* from = source.row(BLOCK_PX * row + i);
            u8* to = samples.row(row) + BLOCK_PX * i;
            for (int x = 0; x < source.columns; x += BLOCK_PX, to += SAMPLES) {
                std::memcpy(to, from + x, BLOCK_PX);
            }
        }
    }
}

}  // namespace

void analyse_key(Grid<const u8> source, BitWeights bit_weights, float inverse_step,
                 const Blocks& blocks, Pool* pool) {
    require_size(source, blocks, "a keyframe's luma has not the size of its blocks");
    const int rows = blocks.rows();
    run_jobs(pool, band_count(rows), [&](int index) {
        const Band band = band_of(rows, index);
        search_key_rows(source, bit_weights, inverse_step, band.first, band.last, blocks);
    });
}

void analyse_inter(MotionWorkspace& workspace, Grid<const u8> source, Grid<const u8> reference,
                   const Blocks& blocks, const MotionParams& params, ConstContexts contexts,
                   const Known& known, Pool* pool) {
    require_size(source, blocks, "a frame's luma has not the size of its blocks");
    require_size(reference, blocks, "a reference's luma has not the size of the frame's blocks");
    const int rows = blocks.rows(), columns = blocks.columns();
    if (known.reference_field.rows != 2 * rows || known.reference_field.columns != 2 * columns ||
        known.reference_counts.rows != rows || known.reference_counts.columns != columns) {
        throw std::invalid_argument("what is known of the reference has not its size in blocks");
    }
    if (contexts.size() != CONTEXTS) throw std::invalid_argument("contexts of another number");
    auto& ws = workspace;
    const std::size_t count = static_cast<std::size_t>(rows) * columns;
    ws.samples.resize(SAMPLES * count);
    ws.candidate_index.assign(count, 0);
    ws.is_static.assign(count, 0);
    ws.sides.assign(count, 1);
    ws.costs.assign(count, 0);
    ws.apart.assign(count, 0);
    ws.weighed.resize(count);
    for (auto& one : ws.weighed) one.count = one.oldest = 0;
    ws.shifted.begin(reference, params.effort.rough_quarters);
    vector_prices(contexts, ws.prices);
    const auto grid = [&](auto& of) { return Grid(of.data(), rows, columns); };
    run_jobs(pool, band_count(rows), [&](int index) {
        const auto [first, last] = band_of(rows, index);
        const Grid<u8> samples =
            Grid(ws.samples.data(), rows, columns * SAMPLES).band(first, last);
        take_samples(source.band(BLOCK_PX * first, BLOCK_PX * last), samples);
        const BandSearch band{
            *kernels().motion,
            params,
            ws.prices,
            contexts,
            source,
            first,
            {known.reference_field.band(2 * first, 2 * last),
             known.reference_counts.band(first, last), known.trend},
            blocks.band(first, last),
            ws.shifted,
            samples,
            grid(ws.candidate_index).band(first, last),
            grid(ws.is_static).band(first, last),
            grid(ws.costs).band(first, last),
            grid(ws.sides).band(first, last),
            grid(ws.apart).band(first, last),
            grid(ws.weighed).band(first, last),
        };
        search_band(band);
        unite_squares(band);
    });
}

}  // namespace sc
