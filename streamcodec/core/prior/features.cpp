// SPDX-License-Identifier: Apache-2.0
#include "prior/features.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "blocks/layout.hpp"
#include "blocks/transform.hpp"
#include "kernels.hpp"
#include "prior/levels.hpp"
#include "prior/prior.hpp"
#include "prior/spectrum.hpp"

namespace sc {
namespace {

constexpr int DIRECTIONS = 9;  // of intra prediction, 4 modes apart
constexpr int MOST_LEVEL = 15;
constexpr int NEIGHBOURS = 8;  // left, right, above, below, then corners
constexpr int NEIGHBOUR_DY[NEIGHBOURS] = {0, 0, -1, 1, -1, -1, 1, 1};
constexpr int NEIGHBOUR_DX[NEIGHBOURS] = {-1, 1, 0, 0, -1, 1, -1, 1};

u8 energy_of(int sum) { return ENERGY[std::min(sum, 511)]; }

// Sums by band are products with zeros and ones.
constexpr int SUMS = 16;           // of a block, BANDS of them used
constexpr int LEVELS = CHANNELS;   // of a block, in a row
constexpr int SLACK = 64;          // bytes after the last row that products may read

Layer band_sums(int inputs, Call<int, i8*> mark) {
    std::vector<i8> ones(static_cast<std::size_t>(inputs) * BANDS, 0);
    for (int k = 0; k < inputs; ++k) mark(k, &ones[static_cast<std::size_t>(k) * BANDS]);
    return Layer(Grid<const i8>(ones.data(), inputs, BANDS));
}

// Of a group's channels, counted from its first one.
const Layer& group_sums(int group) {
    struct Table {
        Layer of[GROUPS];
        Table() {
            for (int g = 0; g < GROUPS; ++g) {
                const int first = GROUP_STARTS[g];
                of[g] = band_sums(GROUP_STARTS[g + 1] - first,
                                  [first](int k, i8* row) { row[BAND[first + k]] = 1; });
            }
        }
    };
    static const Table table;
    return table.of[group];
}

// A spectrum place by place: its bands, and where each shown channel is.
struct SpectrumPlaces {
    Layer sums;
    u16 shown_at[SHOWN];

    SpectrumPlaces() {
        const auto& channels = channel_of_place();
        for (int k = 0; k < CHANNELS; ++k)
            if (channels[k] < SHOWN) shown_at[channels[k]] = static_cast<u16>(k);
        sums = band_sums(CHANNELS, [&channels](int k, i8* row) { row[BAND[channels[k]]] = 1; });
    }
};

const SpectrumPlaces& spectrum_places() {
    static const SpectrumPlaces table;
    return table;
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
                    const int kind = transform_of(split, k);
                    if (kind != 0) m[39 + kind] += 31;
                }
            }
            const int count = blocks.counts(row, column);
            if (count != 0) m[4 + count] = 127;
            for (int n = 0; n < NEIGHBOURS; ++n) {
                const int y = row + NEIGHBOUR_DY[n], x = column + NEIGHBOUR_DX[n];
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

constexpr int AT_ONCE = 32;  // blocks whose spectra are computed together

// Fills the memory of some blocks at once.
class ReferenceRows {
  public:
    ReferenceRows(FrameFeatures& features, Grid<const u8> moved, const ConstPlanes& prediction,
                  int step_q3, int chroma_step_q3)
        : features_(features), moved_(moved), prediction_(prediction),
          luma_unit_(127 * 8 * step_q3), chroma_unit_(127 * 4 * chroma_step_q3),
          samples_(AT_ONCE * CHANNELS), levels_(AT_ONCE * CHANNELS + SLACK),
          sums_(AT_ONCE * CHANNELS), bands_(AT_ONCE * SUMS) {}

    void add(int row, int column) {
        samples_of(prediction_, row, column, &samples_[static_cast<std::size_t>(count_) * CHANNELS]);
        asked_[count_] = row * features_columns() + column;
        if (++count_ == AT_ONCE) fill();
    }

    // What was added and is not filled yet.
    void fill() {
        const auto* kernel = kernels().prior;
        const auto& places = spectrum_places();
        spectra_of(samples_.data(), count_, sums_.data());
        for (int i = 0; i < count_; ++i) {
            // In half steps: 16 * |value| of 127 * 8 (luma) or 127 * 4 (chroma) steps in 1/8.
            const std::size_t at = static_cast<std::size_t>(i) * CHANNELS;
            kernel->levels(&sums_[at], 256, luma_unit_, &levels_[at]);
            kernel->levels(&sums_[at + 256], 128, chroma_unit_, &levels_[at + 256]);
        }
        kernel->product(levels_.data(), CHANNELS, count_, places.sums.quads(),
                        places.sums.packed.data(), SUMS, bands_.data());
        for (int i = 0; i < count_; ++i) {
            u8* out = &features_.memory[static_cast<std::size_t>(asked_[i]) * MEMORY_PITCH];
            kernel->magnitudes(moved_.row(asked_[i]), CHANNELS, out);
            u8 shown[SHOWN];
            const u8* levels = &levels_[static_cast<std::size_t>(i) * CHANNELS];
            for (int c = 0; c < SHOWN; ++c) shown[c] = levels[places.shown_at[c]];
            kernel->magnitudes(shown, SHOWN, out + CHANNELS);
            for (int band = 0; band < BANDS; ++band)
                out[CHANNELS + SHOWN + band] = energy_of(bands_[static_cast<std::size_t>(i) * SUMS + band]);
        }
        count_ = 0;
    }

  private:
    [[nodiscard]] int features_columns() const { return prediction_.y.columns / BLOCK_PX; }

    FrameFeatures& features_;
    const Grid<const u8> moved_;
    const ConstPlanes& prediction_;
    const i32 luma_unit_, chroma_unit_;
    Aligned<i8> samples_;
    Aligned<u8> levels_;
    Aligned<i32> sums_, bands_;
    int asked_[AT_ONCE];
    int count_ = 0;
};

}  // namespace

void remember_reference(FrameFeatures& features, const Blocks& blocks, Grid<const u8> moved,
                        const ConstPlanes& prediction, int step_q3, int chroma_step_q3,
                        Pool* pool) {
    const int rows = blocks.rows(), columns = blocks.columns();
    features.memory.resize(static_cast<std::size_t>(rows) * columns * MEMORY_PITCH);
    run_jobs(pool, band_count(rows), [&](int index) {
        const Band band = band_of(rows, index);
        ReferenceRows reference(features, moved, prediction, step_q3, chroma_step_q3);
        for (int row = band.first; row < band.last; ++row) {
            for (int column = 0; column < columns; ++column) {
                // Blocks without symbols are left out.
                if (blocks.counts(row, column) == 0) continue;
                if (blocks.modes(row, column) < INTRA16) {
                    reference.add(row, column);
                } else {  // has no prediction yet
                    std::memset(&features.memory[static_cast<std::size_t>(row * columns + column) *
                                                 MEMORY_PITCH],
                                0, MEMORY);
                }
            }
        }
        reference.fill();
    });
}

void reveal(FrameFeatures& features, std::span<const i32> blocks, int group,
            Grid<const i16> symbols) {
    const int first = GROUP_STARTS[group], last = GROUP_STARTS[group + 1];
    const auto* kernel = kernels().prior;
    const Layer& bands = group_sums(group);
    const int count = static_cast<int>(blocks.size()), pitch = whole_lines(last - first);
    features.levels.resize(static_cast<std::size_t>(count) * pitch + SLACK);
    features.sums.resize(static_cast<std::size_t>(count) * SUMS);
    for (int i = 0; i < count; ++i) {
        const i16* own = symbols.row(blocks[i]) + first;
        u8* levels = &features.levels[static_cast<std::size_t>(i) * pitch];
        kernel->sizes(own, last - first, levels);
        u8* shown = &features.shown[static_cast<std::size_t>(blocks[i]) * SHOWN];
        if (first < SHOWN) kernel->magnitudes(levels, last - first, shown + first);
    }
    kernel->product(features.levels.data(), pitch, count, bands.quads(), bands.packed.data(), SUMS,
                    features.sums.data());
    // The bands of other groups have no ones in these sums.
    const int first_band = BAND[first], last_band = group + 1 < GROUPS ? BAND[last] : BANDS;
    for (int i = 0; i < count; ++i) {
        u8* energy = &features.energy[static_cast<std::size_t>(blocks[i]) * BANDS];
        for (int band = first_band; band < last_band; ++band)
            energy[band] = energy_of(features.sums[static_cast<std::size_t>(i) * SUMS + band]);
    }
}

void write_row(const FrameFeatures& features, int block, u8* out) {
    const int row = block / features.columns, column = block % features.columns;
    std::memcpy(out, &features.shown[static_cast<std::size_t>(block) * SHOWN], SHOWN);
    for (int n = 0; n < NEIGHBOURS; ++n) {
        const int y = row + NEIGHBOUR_DY[n], x = column + NEIGHBOUR_DX[n];
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
        std::memcpy(out + KEY_FEATURES, &features.memory[static_cast<std::size_t>(block) * MEMORY_PITCH],
                    MEMORY_COPIED);
    }
}

namespace {

// The block of the reference nearest to where the middle of an inter block came from: half the sum of
// two opposite corners' vectors.
int origin(const Blocks& blocks, int row, int column) {
    const Vector first = blocks.field(2 * row, 2 * column);
    const Vector second = blocks.field(2 * row + 1, 2 * column + 1);
    const int y = std::clamp(row + ((first.dy + second.dy + 64) >> 7), 0, blocks.rows() - 1);
    const int x = std::clamp(column + ((first.dx + second.dx + 64) >> 7), 0, blocks.columns() - 1);
    return y * blocks.columns() + x;
}

}  // namespace

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
            const int from = origin(blocks, row, column);
            std::memcpy(out, memory.row(from), CHANNELS);
            moved_counts(row, column) = counts(from / columns, from % columns);
        }
    }
}

void guess_tables(const Blocks& blocks, Grid<const u8> counts, Grid<const u8> before, int shift,
                  std::span<const u8> otherwise, Grid<u8> out) {
    for (int row = 0; row < blocks.rows(); ++row) {
        for (int column = 0; column < blocks.columns(); ++column) {
            if (counts(row, column) == 0) continue;
            u8* to = out.row(row * blocks.columns() + column);
            if (blocks.modes(row, column) >= INTRA16) {
                std::copy(otherwise.begin(), otherwise.end(), to);
                continue;
            }
            const u8* from = before.row(origin(blocks, row, column));
            kernels().prior->shifted_tables(from, otherwise.data(), shift, CHANNELS, to);
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
                kernels().prior->sizes(symbols.row(block), CHANNELS, to);
            } else {
                const u8* before = moved.row(block);
                for (int c = 0; c < CHANNELS; ++c) to[c] = before[c] >> 1;
            }
        }
    }
}

}  // namespace sc
