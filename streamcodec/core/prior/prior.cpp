// SPDX-License-Identifier: Apache-2.0
#include "prior/prior.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "kernels.hpp"

namespace sc {
namespace {

constexpr int JOB_ROWS = 64;  // rows of features that one job of the pool takes
constexpr int ROW_SLACK = 64;     // bytes after the last row that products may read
// Sums of products stay below 2**24 and biases below this, so that no sum overflows.
constexpr i32 MOST_BIAS = 1 << 28;

int padded16(int value) { return (value + 15) / 16 * 16; }

void require(bool fine, const char* what) {
    if (!fine) throw std::invalid_argument(what);
}

// Rows of biases with as many columns as the products have.
std::vector<i32> padded_rows(Grid<const i32> rows, int padded) {
    std::vector<i32> out(static_cast<std::size_t>(rows.rows) * padded);
    for (int r = 0; r < rows.rows; ++r) {
        for (int c = 0; c < rows.columns; ++c) {
            const i32 value = rows(r, c);
            require(value > -MOST_BIAS && value < MOST_BIAS, "a bias of the prior is out of range");
            out[static_cast<std::size_t>(r) * padded + c] = value;
        }
    }
    return out;
}

// Tables of the blocks whose turn it is, into workspace.tables.
void ask(const Stack& stack, PriorWorkspace& workspace, int quality, Pool* pool) {
    const auto& turn = workspace.turn;
    const int pitch = workspace.features.pitch();
    const int count = static_cast<int>(turn.size());
    const int jobs = (count + JOB_ROWS - 1) / JOB_ROWS;
    const int channels = stack.third.outputs;
    workspace.rows.resize(static_cast<std::size_t>(count) * pitch + ROW_SLACK);
    workspace.tables.resize(static_cast<std::size_t>(count) * channels);
    if (static_cast<int>(workspace.lanes.size()) < jobs) workspace.lanes.resize(jobs);
    run_jobs(pool, jobs, [&](int job) {
        const int first = job * JOB_ROWS, last = std::min(first + JOB_ROWS, count);
        u8* rows = &workspace.rows[static_cast<std::size_t>(first) * pitch];
        for (int i = first; i < last; ++i)
            write_row(workspace.features, turn[i], rows + static_cast<std::ptrdiff_t>(i - first) * pitch);
        tables_of(stack, rows, pitch, last - first, quality, workspace.lanes[job],
                  &workspace.tables[static_cast<std::size_t>(first) * channels]);
    });
}

}  // namespace

Layer::Layer(Grid<const i8> weights)
    : inputs(weights.rows), outputs(weights.columns), padded(padded16(weights.columns)) {
    packed.assign(static_cast<std::size_t>(padded_quads(quads())) * padded * 4, 0);
    for (int k = 0; k < inputs; ++k) {
        for (int o = 0; o < outputs; ++o) {
            const i8 value = weights(k, o);
            require(value != -128, "a weight of the prior is -128");
            packed[packed_at(k, o, quads(), padded)] = value;
        }
    }
}

Stack::Stack(bool key, int group, Grid<const i8> w1, Grid<const i8> w2, Grid<const i8> w3,
             Grid<const i32> b1, std::span<const i32> b2, Grid<const i32> b3) {
    require(group >= 0 && group < GROUPS, "no such group");
    const int hidden = w1.columns;
    const int channels = GROUP_STARTS[group + 1] - GROUP_STARTS[group];
    require(hidden >= 1 && hidden <= MOST_HIDDEN, "the prior is too wide");
    require(w1.rows == (key ? KEY_FEATURES : INTER_FEATURES), "w1 has another number of inputs");
    require(w2.rows == hidden && w2.columns == hidden, "w2 has another shape");
    require(w3.rows == hidden && w3.columns == channels, "w3 has another shape");
    require(b1.rows == QUALITY_COUNT && b1.columns == hidden, "b1 has another shape");
    require(static_cast<int>(b2.size()) == hidden, "b2 has another shape");
    require(b3.rows == QUALITY_COUNT && b3.columns == channels, "b3 has another shape");
    first = Layer(w1);
    second = Layer(w2);
    third = Layer(w3);
    first_bias = padded_rows(b1, first.padded);
    second_bias = padded_rows({b2.data(), 1, hidden}, second.padded);
    base = padded_rows(b3, third.padded);
}

void tables_of(const Stack& stack, const u8* rows, int pitch, int count, int quality,
               PriorWorkspace::Lane& lane, u8* out) {
    const auto* kernel = kernels().prior;
    const int hidden = stack.first.padded;
    const std::size_t widest = static_cast<std::size_t>(std::max(hidden, stack.third.padded));
    lane.sums.resize(count * widest);
    // Products read beyond the last inputs: what is there meets zero weights.
    lane.hidden.resize(static_cast<std::size_t>(count) * hidden + ROW_SLACK);
    lane.again.resize(static_cast<std::size_t>(count) * hidden + ROW_SLACK);
    kernel->product(rows, pitch, count, stack.first.quads(), stack.first.packed.data(), hidden,
                    lane.sums.data());
    const i32* first_bias = &stack.first_bias[static_cast<std::size_t>(quality) * hidden];
    for (int i = 0; i < count; ++i)
        kernel->activate(&lane.sums[static_cast<std::size_t>(i) * hidden], first_bias, hidden,
                         &lane.hidden[static_cast<std::size_t>(i) * hidden]);
    kernel->product(lane.hidden.data(), hidden, count, stack.second.quads(),
                    stack.second.packed.data(), hidden, lane.sums.data());
    for (int i = 0; i < count; ++i)
        kernel->activate(&lane.sums[static_cast<std::size_t>(i) * hidden],
                         stack.second_bias.data(), hidden,
                         &lane.again[static_cast<std::size_t>(i) * hidden]);
    const int padded = stack.third.padded, channels = stack.third.outputs;
    kernel->product(lane.again.data(), hidden, count, stack.third.quads(),
                    stack.third.packed.data(), padded, lane.sums.data());
    const i32* base = &stack.base[static_cast<std::size_t>(quality) * padded];
    for (int i = 0; i < count; ++i)
        kernel->table_indices(&lane.sums[static_cast<std::size_t>(i) * padded], base, channels,
                              out + static_cast<std::ptrdiff_t>(i) * channels);
}

void walk_rows(PriorWorkspace& workspace, Grid<const u8> counts, Grid<const i16> symbols,
               Call<int, int> visit) {
    workspace.features.begin(counts.rows, counts.columns);
    for (int group = 0; group < GROUPS; ++group) {
        for (int phase = 0; phase < PHASES; ++phase) {
            workspace.turn.clear();
            for (int row = 0; row < counts.rows; ++row)
                for (int column = (row + phase) & 1; column < counts.columns; column += 2)
                    if (counts(row, column) > group)
                        workspace.turn.push_back(row * counts.columns + column);
            if (workspace.turn.empty()) continue;
            visit(group, phase);
            if (group + 1 == GROUPS && phase + 1 == PHASES) continue;  // nobody looks at it any more
            reveal(workspace.features, workspace.turn, group, symbols);
        }
    }
}

void find_tables(const Prior& prior, PriorWorkspace& workspace, Grid<const u8> counts, int quality,
                 Grid<const i16> symbols, Grid<u8> tables, Pool* pool) {
    std::memset(tables.data, 0, static_cast<std::size_t>(tables.rows) * tables.columns);
    const auto& stacks = prior.stacks[workspace.features.with_memory ? 1 : 0];
    walk_rows(workspace, counts, symbols,
         [&](int group, int phase) {
             const Stack& stack = stacks[group][phase];
             ask(stack, workspace, quality, pool);
             const int first = GROUP_STARTS[group], channels = stack.third.outputs;
             for (std::size_t i = 0; i < workspace.turn.size(); ++i)
                 std::memcpy(tables.row(workspace.turn[i]) + first, &workspace.tables[i * channels],
                             channels);
         });
}

void read_symbols(const Prior& prior, PriorWorkspace& workspace, RansReader& reader,
                  Cumulative cumulative, Grid<const u8> counts, int quality, Grid<i16> symbols,
                  Pool* pool) {
    const auto& stacks = prior.stacks[workspace.features.with_memory ? 1 : 0];
    walk_rows(workspace, counts, symbols,
         [&](int group, int phase) {
             const Stack& stack = stacks[group][phase];
             ask(stack, workspace, quality, pool);
             const int first = GROUP_STARTS[group], channels = stack.third.outputs;
             const std::size_t count = workspace.turn.size();
             workspace.values.resize(count * channels);
             get_symbols(reader, workspace.tables.data(), static_cast<int>(count * channels),
                         cumulative, workspace.values.data());
             for (std::size_t i = 0; i < count; ++i)
                 std::memcpy(symbols.row(workspace.turn[i]) + first,
                             &workspace.values[i * channels], channels * sizeof(i16));
         });
}

}  // namespace sc
