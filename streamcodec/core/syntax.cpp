// SPDX-License-Identifier: Apache-2.0
#include "syntax.hpp"

#include <algorithm>
#include <stdexcept>

#include "entropy/damaged.hpp"
#include "syntax/coders.hpp"
#include "syntax/traversal.hpp"

namespace sc {
namespace {

template <class T>
bool all_at_most(Grid<const T> grid, T limit) {
    for (int row = 0; row < grid.rows; ++row) {
        T highest = 0;
        for (int column = 0; column < grid.columns; ++column) {
            highest = std::max(highest, grid(row, column));
        }
        if (highest > limit) return false;
    }
    return true;
}

template <class T>
void set_all(Grid<T> grid, T value) {
    for (int row = 0; row < grid.rows; ++row) std::fill_n(grid.row(row), grid.columns, value);
}

// Mixtures compute rows from these without looking again.
void check(Contexts contexts, const Blocks& blocks, const Known& known) {
    const int rows = blocks.rows(), columns = blocks.columns();
    const auto fits = [](const auto& grid, int height, int width) {
        return grid.rows == height && grid.columns == width;
    };
    if (contexts.size() != CONTEXTS || !fits(blocks.counts, rows, columns) ||
        !fits(blocks.splits, rows, columns) || !fits(blocks.field, 2 * rows, 2 * columns) ||
        !fits(blocks.intra_modes, 2 * rows, 2 * columns) ||
        !fits(known.reference_field, 2 * rows, 2 * columns) ||
        !fits(known.reference_counts, rows, columns)) {
        throw std::invalid_argument("blocks, reference and contexts must be of one size");
    }
    if (known.trend < 0 || known.trend > 2 || !all_at_most<u8>(known.reference_counts, GROUPS)) {
        throw std::invalid_argument("a trend is 0 to 2, a block's count 0 to 4");
    }
}

}  // namespace

void KindsSoFar::start(int rows, int columns) {
    const std::size_t size = static_cast<std::size_t>(rows) * columns;
    cells_.assign(7 * size, 0);
    Grid<u8>* all[] = {&skips, &intras, &quarters, &candidate_index, &merges, &empties, &sides};
    for (int k = 0; k < 7; ++k) *all[k] = {cells_.data() + k * size, rows, columns};
    std::fill(sides.data, sides.data + size, u8{1});
}

void read_blocks(RansReader& reader, Contexts contexts, bool key, const Blocks& blocks,
                 const Known& known, KindsSoFar& so_far) {
    check(contexts, blocks, known);
    set_all(blocks.field, Vector{});
    set_all(blocks.intra_modes, i8{-1});
    set_all(blocks.counts, u8{0});
    Traversal<BitParser> traversal({reader.state, contexts}, key, blocks, known, so_far);
    for (int row = 0; row < blocks.rows(); ++row) {
        for (int column = 0; column < blocks.columns(); ++column) traversal.block(row, column);
        if (reader.overrun()) throw Damaged("its blocks");
    }
}

void write_blocks(Intervals& out, Contexts contexts, bool key, const Blocks& blocks,
                  const Known& known, KindsSoFar& so_far) {
    check(contexts, blocks, known);
    if (!all_at_most<u8>(blocks.modes, INTRA8) || !all_at_most<u8>(blocks.counts, GROUPS) ||
        !all_at_most<u8>(blocks.splits, MAX_SPLIT)) {
        throw std::invalid_argument("modes are 0 to 3, counts 0 to 4, splits 0 to 81");
    }
    Traversal<BitWriter> traversal({out, contexts}, key, blocks, known, so_far);
    for (int row = 0; row < blocks.rows(); ++row) {
        for (int column = 0; column < blocks.columns(); ++column) traversal.block(row, column);
    }
}

void read_areas(RansReader& reader, Contexts contexts, std::span<u8> luma, std::span<u8> chroma) {
    if (contexts.size() != CONTEXTS) throw Outside();
    RansState stream = reader.state;
    for (u8& flag : luma) flag = static_cast<u8>(get_bit(stream, contexts[single::FILTER]));
    for (u8& flag : chroma) flag = static_cast<u8>(get_bit(stream, contexts[single::FILTER + 1]));
    reader.state = stream;
    if (stream.overrun) throw Damaged("its filtered areas");
}

void write_areas(Intervals& out, Contexts contexts, std::span<const u8> luma,
                 std::span<const u8> chroma) {
    if (contexts.size() != CONTEXTS) throw Outside();
    for (const u8 flag : luma) put_bit(out, contexts[single::FILTER], flag);
    for (const u8 flag : chroma) put_bit(out, contexts[single::FILTER + 1], flag);
}

}  // namespace sc
