// SPDX-License-Identifier: Apache-2.0
#include "prior/features.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "blocks/layout.hpp"
#include "blocks/transform.hpp"
#include "prior/levels.hpp"
#include "prior/spectrum.hpp"

namespace sc {
namespace {

constexpr int DIRECTIONS = 9;  // of intra prediction, 4 modes apart
constexpr int MOST_LEVEL = 15;
constexpr int NEIGHBOURS = 8;  // left, right, above, below, then corners
constexpr int DY[NEIGHBOURS] = {0, 0, -1, 1, -1, -1, 1, 1};
constexpr int DX[NEIGHBOURS] = {-1, 1, 0, 0, -1, 1, -1, 1};

u8 energy_of(int sum) { return ENERGY[std::min(sum, 511)]; }

// Channels sorted by band, and where each band starts: sums over a band run along a line.
struct ByBand {
    u16 channel[CHANNELS];
    u16 place[CHANNELS];  // of each channel
    int start[BANDS + 1];

    ByBand() {
        int at = 0;
        for (int band = 0; band < BANDS; ++band) {
            start[band] = at;
            for (int c = 0; c < CHANNELS; ++c) {
                if (BAND[c] != band) continue;
                place[c] = static_cast<u16>(at);
                channel[at++] = static_cast<u16>(c);
            }
        }
        start[BANDS] = at;
    }
};

const ByBand& by_band() {
    static const ByBand table;
    return table;
}

int sum_of(const u8* values, int count) {
    int total = 0;
    for (int i = 0; i < count; ++i) total += values[i];
    return total;
}

}  // namespace

void FrameFeatures::begin(int row_count, int column_count) {
    rows = row_count;
    columns = column_count;
    const std::size_t blocks = static_cast<std::size_t>(rows) * columns;
    shown.assign(blocks * SHOWN, 0);
    energy.assign(blocks * BANDS, 0);
}

void describe(FrameFeatures& features, const Blocks& blocks, Grid<const u8> moved_counts,
              Qualities qualities) {
    const int rows = blocks.rows(), columns = blocks.columns();
    features.misc.assign(static_cast<std::size_t>(rows) * columns * MISC, 0);
    const u8 change =
        static_cast<u8>(std::clamp(64 + qualities.frame - qualities.reference, 0, 127));
    u8* m = features.misc.data();
    for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column, m += MISC) {
            const int mode = blocks.modes(row, column);
            const int split = blocks.splits(row, column);
            m[mode] = 127;
            m[4] = split != 0 ? 127 : 0;
            if (split > 1) {
                for (int k = 0; k < 4; ++k) {
                    const int kind = kind_of(split, k);
                    if (kind != 0) m[39 + kind] += 31;
                }
            }
            const int count = blocks.counts(row, column);
            if (count != 0) m[4 + count] = 127;
            for (int n = 0; n < NEIGHBOURS; ++n) {
                const int y = row + DY[n], x = column + DX[n];
                if (blocks.modes.has(y, x)) {
                    m[9 + n] = static_cast<u8>(31 * blocks.counts(y, x));
                    if (n < 4 && blocks.modes(y, x) >= INTRA16) m[23] += 31;
                } else if (n < 4) {
                    m[24 + n] = 127;
                }
            }
            m[17] = static_cast<u8>(31 * moved_counts(row, column));
            const Vector own = blocks.field(2 * row, 2 * column);
            m[18] = energy_of(std::abs(own.dy) + std::abs(own.dx));
            if (column != 0) {
                const Vector left = blocks.field(2 * row, 2 * column - 1);
                m[19] = energy_of(std::abs(own.dy - left.dy) + std::abs(own.dx - left.dx));
            }
            if (row != 0) {
                const Vector above = blocks.field(2 * row - 1, 2 * column);
                m[20] = energy_of(std::abs(own.dy - above.dy) + std::abs(own.dx - above.dx));
            }
            m[21] = change;
            m[22] = static_cast<u8>(2 * qualities.frame);
            m[28] = ((own.dy & 3) | (own.dx & 3)) != 0 ? 127 : 0;
            if (mode < INTRA16) continue;
            for (int k = 0; k < 4; ++k) {
                const int way = blocks.intra_modes(2 * row + (k >> 1), 2 * column + (k & 1));
                if (way < 2) {
                    m[29 + way] += 31;
                    continue;
                }
                for (int d = 0; d < DIRECTIONS; ++d)
                    m[31 + d] += static_cast<u8>(std::max(31 - 8 * std::abs(way - 2 - 4 * d), 0));
            }
        }
    }
}

namespace {

// Levels in half steps of 16 * |value| / unit, at most 15, rounded down; `unit` is 127 * 8 (luma)
// or 127 * 4 (chroma) steps in 1/8. Doubles divide these integers exactly enough to round down
// right: quotients of numbers below 2**27 are never nearer than 2**-27 to a whole one.
void levels_of(const i32* values, int count, double unit, const u16* channels, u8* by_place) {
    const auto& bands = by_band();
    u8 levels[256];
    for (int k = 0; k < count; ++k) {
        const double level = static_cast<double>(std::abs(values[k])) * 16 / unit;
        levels[k] = static_cast<u8>(static_cast<int>(std::min(level, double{MOST_LEVEL})));
    }
    for (int k = 0; k < count; ++k) by_place[bands.place[channels[k]]] = levels[k];
}

void reference_row(const u8* moved, const Spectrum& spectrum, double luma_unit, double chroma_unit,
                   u8* out) {
    const auto& bands = by_band();
    for (int c = 0; c < CHANNELS; ++c) out[c] = MAGNITUDE[std::min<u8>(moved[c], MOST_LEVEL)];
    u8 levels[CHANNELS];  // by place
    levels_of(spectrum.luma, 256, luma_unit, luma_channels(), levels);
    for (int plane = 0; plane < 2; ++plane)
        levels_of(spectrum.chroma[plane], 64, chroma_unit, chroma_channels()[plane], levels);
    for (int c = 0; c < SHOWN; ++c) out[CHANNELS + c] = MAGNITUDE[levels[bands.place[c]]];
    for (int band = 0; band < BANDS; ++band) {
        const int first = bands.start[band];
        out[CHANNELS + SHOWN + band] =
            energy_of(sum_of(levels + first, bands.start[band + 1] - first));
    }
}

}  // namespace

void remember_reference(FrameFeatures& features, const Blocks& blocks, Grid<const u8> moved,
                        const ConstPlanes& prediction, int step_q3, int chroma_step_q3,
                        Pool* pool) {
    const int rows = blocks.rows(), columns = blocks.columns();
    features.memory.resize(static_cast<std::size_t>(rows) * columns * MEMORY);
    const double luma_unit = 127 * 8 * static_cast<double>(step_q3);
    const double chroma_unit = 127 * 4 * static_cast<double>(chroma_step_q3);
    run_jobs(pool, band_count(rows), [&](int index) {
        const Band band = band_of(rows, index);
        Spectrum spectrum;
        for (int row = band.first; row < band.last; ++row) {
            for (int column = 0; column < columns; ++column) {
                if (blocks.counts(row, column) == 0 || blocks.modes(row, column) >= INTRA16) {
                    // Intra blocks have no prediction yet; blocks that code nothing are not asked.
                    std::memset(&features.memory[(row * columns + column) * MEMORY], 0, MEMORY);
                    continue;
                }
                spectrum_of(prediction, row, column, spectrum);
                reference_row(moved.row(row * columns + column), spectrum, luma_unit, chroma_unit,
                              &features.memory[(row * columns + column) * MEMORY]);
            }
        }
    });
}

void reveal(FrameFeatures& features, std::span<const i32> blocks, int group,
            Grid<const i16> symbols) {
    const auto& bands = by_band();
    const int first = GROUP_STARTS[group], last = GROUP_STARTS[group + 1];
    const int first_band = BAND[first], last_band = group + 1 < GROUPS ? BAND[last] : BANDS;
    for (const i32 block : blocks) {
        const i16* own = symbols.row(block);
        u8 levels[CHANNELS];
        for (int c = first; c < last; ++c)
            levels[c] = static_cast<u8>(std::min<int>(std::abs(int{own[c]}), MOST_LEVEL));
        u8* shown = &features.shown[static_cast<std::size_t>(block) * SHOWN];
        for (int c = first; c < std::min(last, SHOWN); ++c) shown[c] = MAGNITUDE[levels[c]];
        u8* energy = &features.energy[static_cast<std::size_t>(block) * BANDS];
        for (int band = first_band; band < last_band; ++band) {
            int sum = 0;
            for (int k = bands.start[band]; k < bands.start[band + 1]; ++k)
                sum += levels[bands.channel[k]];
            if (sum != 0) energy[band] = energy_of(sum);
        }
    }
}

void write_row(const FrameFeatures& features, int block, u8* out) {
    const int row = block / features.columns, column = block % features.columns;
    std::memcpy(out, &features.shown[static_cast<std::size_t>(block) * SHOWN], SHOWN);
    for (int n = 0; n < NEIGHBOURS; ++n) {
        const int y = row + DY[n], x = column + DX[n];
        u8* energy = out + NEIGHBOUR_AT + n * BANDS;
        u8* side = out + SIDES_AT + n * LOW;
        if (y < 0 || x < 0 || y >= features.rows || x >= features.columns) {
            std::memset(energy, 0, BANDS);
            if (n < 4) std::memset(side, 0, LOW);
            continue;
        }
        const std::size_t other = static_cast<std::size_t>(y) * features.columns + x;
        std::memcpy(energy, &features.energy[other * BANDS], BANDS);
        if (n < 4) std::memcpy(side, &features.shown[other * SHOWN], LOW);
    }
    std::memcpy(out + MISC_AT, &features.misc[static_cast<std::size_t>(block) * MISC], MISC);
    if (features.with_memory) {
        std::memcpy(out + KEY_FEATURES, &features.memory[static_cast<std::size_t>(block) * MEMORY],
                    MEMORY);
        out[INTER_FEATURES] = 0;
    }
}

void move_memory(const Blocks& blocks, Grid<const u8> memory, Grid<const u8> counts,
                 Grid<u8> moved, Grid<u8> moved_counts) {
    const int rows = blocks.rows(), columns = blocks.columns();
    for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column) {
            u8* out = moved.row(row * columns + column);
            if (blocks.modes(row, column) >= INTRA16) {
                std::memset(out, 0, CHANNELS);
                moved_counts(row, column) = 0;
                continue;
            }
            // The block nearest to the moved centre: half the sum of two opposite corners' vectors.
            const Vector first = blocks.field(2 * row, 2 * column);
            const Vector second = blocks.field(2 * row + 1, 2 * column + 1);
            const int y = std::clamp(row + ((first.dy + second.dy + 64) >> 7), 0, rows - 1);
            const int x = std::clamp(column + ((first.dx + second.dx + 64) >> 7), 0, columns - 1);
            std::memcpy(out, memory.row(y * columns + x), CHANNELS);
            moved_counts(row, column) = counts(y, x);
        }
    }
}

void remember_symbols(Grid<const u8> counts, Grid<const i16> symbols, Grid<const u8> moved,
                      Grid<u8> out) {
    for (int row = 0; row < counts.rows; ++row) {
        for (int column = 0; column < counts.columns; ++column) {
            const int block = row * counts.columns + column;
            u8* to = out.row(block);
            if (counts(row, column) != 0) {
                const i16* own = symbols.row(block);
                for (int c = 0; c < CHANNELS; ++c) {
                    const int magnitude = own[c] < 0 ? -own[c] : own[c];
                    to[c] = static_cast<u8>(magnitude < MOST_LEVEL ? magnitude : MOST_LEVEL);
                }
            } else {
                const u8* before = moved.row(block);
                for (int c = 0; c < CHANNELS; ++c) to[c] = before[c] >> 1;
            }
        }
    }
}

}  // namespace sc
