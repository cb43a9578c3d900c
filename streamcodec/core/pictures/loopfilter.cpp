// SPDX-License-Identifier: Apache-2.0
#include "pictures/loopfilter.hpp"

#include <algorithm>
#include <cstring>

#include "kernels.hpp"
#include "pictures/edges.hpp"

namespace sc {

namespace {

constexpr int AROUND = 2;  // samples that the filter reads around its own
// Before the first sample of a row; the kernel reads up to 16 past the last one.
constexpr int LEFT = 32;
constexpr int MOST_SIDE = 16 * AREA_BLOCKS;

std::ptrdiff_t pitch_of(const Grid<u8>& plane) {
    return (LEFT + plane.columns + 32 + 31) / 32 * 32;
}

// What a kernel needs to know of a plane.
struct Side {
    Grid<u8> plane;
    u8* before;  // a copy of the plane before filtering, with repeated edges
    std::ptrdiff_t pitch;
    int block_px;
    int step_q3;
    i16 bound;
    i32 pairs[FILTER_CLASSES][3];
};

Side side_of(Grid<u8> plane, int number, const LoopFilter& filter, FilterWorkspace& workspace) {
    const int kind = std::min(number, 1);
    Side side;
    side.plane = plane;
    side.pitch = pitch_of(plane);
    auto& copy = workspace.copies[number];
    const std::size_t size = (plane.rows + 2 * AROUND + 1) * side.pitch;
    if (copy.size() < size) copy.resize(size);
    side.before = copy.data() + AROUND * side.pitch + LEFT;
    side.block_px = kind ? 8 : 16;
    side.step_q3 = std::clamp(filter.steps_q3[kind], 1, 1 << 20);
    side.bound = static_cast<i16>(std::clamp(filter.steps_q3[kind] >> 3, 1, 255));
    for (int c = 0; c < FILTER_CLASSES; ++c) {
        for (int k = 0; k < 3; ++k) {
            const i16* w = filter.weights[kind][c] + 2 * k;
            side.pairs[c][k] = static_cast<i32>(static_cast<u16>(w[0]) |
                                                static_cast<u32>(static_cast<u16>(w[1])) << 16);
        }
    }
    return side;
}

// Call `each(row, first, last)` for every run of blocks in an area that may be filtered.
template <class Each>
void for_runs(const Blocks& blocks, int area_row, int area_column, Each each) {
    const int last_row = std::min(AREA_BLOCKS * (area_row + 1), blocks.rows());
    const int last = std::min(AREA_BLOCKS * (area_column + 1), blocks.columns());
    for (int row = AREA_BLOCKS * area_row; row < last_row; ++row) {
        int first = -1;
        for (int column = AREA_BLOCKS * area_column; column <= last; ++column) {
            const bool busy = column < last && (blocks.counts(row, column) != 0 ||
                                                blocks.modes(row, column) >= INTRA16);
            if (busy && first < 0) first = column;
            if (!busy && first >= 0) {
                each(row, first, column);
                first = -1;
            }
        }
    }
}

// Filter a run of blocks to `to`.
void filter_run(const Side& side, int row, int first, int last, u8* to, std::ptrdiff_t to_pitch) {
    FilterRun run;
    const std::ptrdiff_t start = side.block_px * row * side.pitch + side.block_px * first;
    run.from = side.before + start;
    run.from_pitch = side.pitch;
    run.to = to;
    run.to_pitch = to_pitch;
    run.count = side.block_px * (last - first);
    run.step_q3 = side.step_q3;
    run.pairs = side.pairs;
    for (int i = 0; i < side.block_px; i += 4) {
        kernels().pictures->filter(run, side.bound);
        run.from += 4 * run.from_pitch;
        run.to += 4 * run.to_pitch;
    }
}

// An area, filtered on trial.
struct Trial {
    u8 samples[MOST_SIDE * MOST_SIDE];

    u8* at(const Side& side, int row, int column) {
        const int y = side.block_px * (row % AREA_BLOCKS);
        return samples + y * MOST_SIDE + side.block_px * (column % AREA_BLOCKS);
    }

    // Fills `samples`; returns the squared error saved.
    i64 make(const Side& side, const Grid<const u8>& source, const Blocks& blocks, int area_row,
             int area_column) {
        i64 saved = 0;
        for_runs(blocks, area_row, area_column, [&](int row, int first, int last) {
            u8* to = at(side, row, first);
            filter_run(side, row, first, last, to, MOST_SIDE);
            const int x = side.block_px * first;
            for (int i = 0; i < side.block_px; ++i) {
                const int y = side.block_px * row + i;
                saved += kernels().pictures->gain(source.row(y) + x, side.plane.row(y) + x,
                                                  to + i * MOST_SIDE,
                                                  side.block_px * (last - first));
            }
        });
        return saved;
    }

    void take_over(const Side& side, const Blocks& blocks, int area_row, int area_column) {
        for_runs(blocks, area_row, area_column, [&](int row, int first, int last) {
            const u8* from = at(side, row, first);
            for (int i = 0; i < side.block_px; ++i) {
                std::memcpy(side.plane.row(side.block_px * row + i) + side.block_px * first,
                            from + i * MOST_SIDE, side.block_px * (last - first));
            }
        });
    }
};

void check(const ConstPlanes& planes, const Areas& areas, const Blocks& blocks) {
    const auto fits = [&](const Grid<const u8>& plane, int side) {
        return plane.rows == side * blocks.rows() && plane.columns == side * blocks.columns();
    };
    const auto has_areas = [&](const Grid<u8>& flags) {
        return flags.rows == areas_of(blocks.rows()) && flags.columns == areas_of(blocks.columns());
    };
    if (!(fits(planes.y, 16) && fits(planes.u, 8) && fits(planes.v, 8) && has_areas(areas.luma) &&
          has_areas(areas.chroma))) {
        throw Outside();
    }
}

// Copy the planes for which `wanted` holds, in jobs.
template <class Wanted>
void keep_all(const Side (&sides)[3], Pool* pool, Wanted wanted) {
    constexpr int PARTS = 4;
    run_jobs(pool, 3 * PARTS, [&](int job) {
        const Side& side = sides[job / PARTS];
        const int part = job % PARTS;
        if (!wanted(job / PARTS)) return;
        const int rows = side.plane.rows;
        repeat_edges(side.plane, AROUND, side.before, side.pitch, rows * part / PARTS,
                     rows * (part + 1) / PARTS);
    });
}

bool any(const Grid<u8>& flags) {
    for (int a = 0; a < flags.rows; ++a) {
        for (int b = 0; b < flags.columns; ++b) {
            if (flags(a, b)) return true;
        }
    }
    return false;
}

}  // namespace

void filter_rebuild(Planes planes, const Areas& areas, const Blocks& blocks,
                    const LoopFilter& filter, FilterWorkspace& workspace, Pool* pool) {
    check(planes, areas, blocks);
    const bool wanted[2] = {any(areas.luma), any(areas.chroma)};
    if (!wanted[0] && !wanted[1]) return;
    const Side sides[3] = {side_of(planes.y, 0, filter, workspace),
                           side_of(planes.u, 1, filter, workspace),
                           side_of(planes.v, 2, filter, workspace)};
    keep_all(sides, pool, [&](int number) { return wanted[std::min(number, 1)]; });
    const int rows = areas.luma.rows;
    run_jobs(pool, 3 * rows, [&](int job) {
        const int number = job / rows;
        const int a = job % rows;
        const Side& side = sides[number];
        const Grid<u8>& flags = number ? areas.chroma : areas.luma;
        for (int b = 0; b < flags.columns; ++b) {
            if (!flags(a, b)) continue;
            for_runs(blocks, a, b, [&](int row, int first, int last) {
                filter_run(side, row, first, last,
                           side.plane.row(side.block_px * row) + side.block_px * first,
                           side.plane.pitch);
            });
        }
    });
}

void filter_search(ConstPlanes source, Planes planes, const Blocks& blocks,
                   const LoopFilter& filter, const i64 (&least_gain)[2], const Areas& areas,
                   FilterWorkspace& workspace, Pool* pool) {
    check(planes, areas, blocks);
    check(source, areas, blocks);
    const Side sides[3] = {side_of(planes.y, 0, filter, workspace),
                           side_of(planes.u, 1, filter, workspace),
                           side_of(planes.v, 2, filter, workspace)};
    keep_all(sides, pool, [](int) { return true; });
    const int rows = areas.luma.rows;
    run_jobs(pool, 2 * rows, [&](int job) {
        const int a = job % rows;
        Trial first;
        Trial second;
        for (int b = 0; b < areas.luma.columns; ++b) {
            if (job < rows) {
                const bool better = first.make(sides[0], source.y, blocks, a, b) > least_gain[0];
                areas.luma(a, b) = better;
                if (better) first.take_over(sides[0], blocks, a, b);
                continue;
            }
            const bool better = first.make(sides[1], source.u, blocks, a, b) +
                                    second.make(sides[2], source.v, blocks, a, b) >
                                least_gain[1];
            areas.chroma(a, b) = better;
            if (!better) continue;
            first.take_over(sides[1], blocks, a, b);
            second.take_over(sides[2], blocks, a, b);
        }
    });
}

}  // namespace sc
