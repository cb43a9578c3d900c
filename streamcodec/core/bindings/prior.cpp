// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bindings/arrays.hpp"
#include "bindings/block_arrays.hpp"
#include "bindings/payload.hpp"
#include "kernels.hpp"
#include "pool.hpp"
#include "prior/prior.hpp"
#include "prior/spectrum.hpp"

namespace sc {
namespace {

using namespace nb::literals;

void check_blocks(const Blocks& blocks, int rows, const char* what) {
    require(rows == blocks.rows() * blocks.columns(), what);
}

void check_quality(int quality) { require(quality >= 0 && quality < QUALITY_COUNT, "quality is 0 to 63"); }

template <class T>
nb::ndarray<nb::numpy, T, nb::ndim<2>> owned(std::vector<T> values, std::size_t rows,
                                             std::size_t columns) {
    auto* kept = new std::vector<T>(std::move(values));
    nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return {kept->data(), {rows, columns}, owner};
}

}  // namespace

void bind_prior(nb::module_& module) {
    using Rows = nb::ndarray<nb::numpy, u8, nb::ndim<2>>;
    using Turn = nb::ndarray<nb::numpy, i32, nb::ndim<2>>;

    nb::class_<PriorWorkspace>(module, "PriorWorkspace").def(nb::init<>());
    nb::class_<Prior>(module, "Prior")
        .def(nb::init<>())
        .def(
            "add",
            [](Prior& self, bool key, int group, int phase, Array<const i8, 2> w1,
               Array<const i8, 2> w2, Array<const i8, 2> w3, Array<const i32, 2> b1,
               Array<const i32, 1> b2, Array<const i32, 2> b3) {
                require(phase >= 0 && phase < PHASES, "phase is 0 or 1");
                require(group >= 0 && group < GROUPS, "group is 0 to 3");
                self.stacks[key ? 0 : 1][group][phase] =
                    Stack(key, group, grid(w1), grid(w2), grid(w3), grid(b1),
                          {b2.data(), b2.shape(0)}, grid(b3));
            },
            "key"_a, "group"_a, "phase"_a, "w1"_a, "w2"_a, "w3"_a, "b1"_a, "b2"_a, "b3"_a)
        .def(
            "tables",
            [](const Prior& self, bool key, int group, int phase, Array<const u8, 2> rows,
               int quality) {
                require(group >= 0 && group < GROUPS && phase >= 0 && phase < PHASES, "no such stack");
                check_quality(quality);
                const Stack& stack = self.stacks[key ? 0 : 1][group][phase];
                require(static_cast<int>(rows.shape(1)) == stack.first.inputs && stack.first.inputs > 0,
                        "rows have another number of features");
                const int count = static_cast<int>(rows.shape(0)), width = stack.first.inputs;
                const int pitch = stack.first.quads() * 4;
                std::vector<u8> padded(static_cast<std::size_t>(count) * pitch + 64);
                for (int i = 0; i < count; ++i)
                    for (int k = 0; k < width; ++k)
                        padded[static_cast<std::size_t>(i) * pitch + k] =
                            rows.data()[static_cast<std::size_t>(i) * width + k] & 127;
                std::vector<u8> out(static_cast<std::size_t>(count) * stack.third.outputs);
                PriorWorkspace::Lane lane;
                tables_of(stack, padded.data(), pitch, count, quality, lane, out.data());
                return owned(std::move(out), count, stack.third.outputs);
            },
            "key"_a, "group"_a, "phase"_a, "rows"_a, "quality"_a);

    module.def(
        "move_memory",
        [](BlockArrays& blocks, Array<const u8, 2> memory, Array<const u8, 2> counts,
           Array<u8, 2> moved, Array<u8, 2> moved_counts) {
            const Blocks view = blocks.view();
            check_blocks(view, static_cast<int>(memory.shape(0)), "memory of another size");
            check_blocks(view, static_cast<int>(moved.shape(0)), "moved of another size");
            require(memory.shape(1) == CHANNELS && moved.shape(1) == CHANNELS, "384 channels");
            for (const auto& one : {grid(counts), Grid<const u8>(grid(moved_counts))})
                require(one.rows == view.rows() && one.columns == view.columns(), "counts of another size");
            nb::gil_scoped_release unlocked;
            move_memory(view, grid(memory), grid(counts), grid(moved), grid(moved_counts));
        },
        "blocks"_a, "memory"_a, "counts"_a, "moved"_a, "moved_counts"_a);
    module.def(
        "guess_tables",
        [](BlockArrays& blocks, Array<const u8, 2> counts, Array<const u8, 2> before, int shift,
           Array<const u8, 1> otherwise, Array<u8, 2> out) {
            const Blocks view = blocks.view();
            check_blocks(view, static_cast<int>(before.shape(0)), "tables of another size");
            check_blocks(view, static_cast<int>(out.shape(0)), "tables of another size");
            require(before.shape(1) == CHANNELS && otherwise.shape(0) == CHANNELS &&
                        out.shape(1) == CHANNELS,
                    "tables are (blocks, 384)");
            require(static_cast<int>(counts.shape(0)) == view.rows() &&
                        static_cast<int>(counts.shape(1)) == view.columns(),
                    "counts of another size");
            require(shift >= -64 && shift <= 64, "a shift is -64 to 64");
            nb::gil_scoped_release unlocked;
            guess_tables(view, grid(counts), grid(before), shift, {otherwise.data(), CHANNELS},
                         grid(out));
        },
        "blocks"_a, "counts"_a, "before"_a, "shift"_a, "otherwise"_a, "out"_a);
    module.def(
        "remember_symbols",
        [](Array<const u8, 2> counts, Array<const i16, 2> symbols, Array<const u8, 2> moved,
           Array<u8, 2> out) {
            const std::size_t blocks = counts.shape(0) * counts.shape(1);
            require(symbols.shape(0) == blocks && moved.shape(0) == blocks && out.shape(0) == blocks,
                    "another number of blocks");
            require(symbols.shape(1) == CHANNELS && moved.shape(1) == CHANNELS && out.shape(1) == CHANNELS,
                    "384 channels");
            nb::gil_scoped_release unlocked;
            remember_symbols(grid(counts), grid(symbols), grid(moved), grid(out));
        },
        "counts"_a, "symbols"_a, "moved"_a, "out"_a);

    module.def(
        "describe",
        [](PriorWorkspace& workspace, BlockArrays& blocks, Array<const u8, 2> moved_counts, int quality,
           int reference_quality, bool key) {
            const Blocks view = blocks.view();
            require(static_cast<int>(moved_counts.shape(0)) == view.rows() &&
                        static_cast<int>(moved_counts.shape(1)) == view.columns(),
                    "counts of another size");
            check_quality(quality);
            check_quality(reference_quality);
            nb::gil_scoped_release unlocked;
            workspace.features.with_memory = !key;
            describe(workspace.features, view, grid(moved_counts), {quality, reference_quality});
        },
        "workspace"_a, "blocks"_a, "moved_counts"_a, "quality"_a, "reference_quality"_a, "key"_a);
    module.def(
        "remember_reference",
        [](PriorWorkspace& workspace, BlockArrays& blocks, Array<const u8, 2> moved,
           PlaneTuple<const u8> prediction, int step_q3, int chroma_step_q3, Pool* pool) {
            const Blocks view = blocks.view();
            check_blocks(view, static_cast<int>(moved.shape(0)), "memory of another size");
            const ConstPlanes three = planes(prediction);
            require(three.y.rows == 16 * view.rows() && three.y.columns == 16 * view.columns(),
                    "a prediction of another size");
            for (const auto& one : {three.u, three.v})
                require(one.rows == 8 * view.rows() && one.columns == 8 * view.columns(),
                        "a prediction of another size");
            require(step_q3 > 0 && chroma_step_q3 > 0, "steps are above 0");
            nb::gil_scoped_release unlocked;
            remember_reference(workspace.features, view, grid(moved), three, step_q3, chroma_step_q3,
                               pool);
        },
        "workspace"_a, "blocks"_a, "moved"_a, "prediction"_a, "step_q3"_a, "chroma_step_q3"_a,
        "pool"_a.none() = nb::none());
    module.def(
        "find_tables",
        [](const Prior& prior, PriorWorkspace& workspace, Array<const u8, 2> counts, int quality,
           Array<const i16, 2> symbols, Array<u8, 2> tables, Pool* pool) {
            check_quality(quality);
            const std::size_t blocks = counts.shape(0) * counts.shape(1);
            require(symbols.shape(0) == blocks && tables.shape(0) == blocks &&
                        symbols.shape(1) == CHANNELS && tables.shape(1) == CHANNELS &&
                        workspace.features.misc.size() == blocks * MISC,
                    "another number of blocks");
            nb::gil_scoped_release unlocked;
            find_tables(prior, workspace, grid(counts), quality, grid(symbols), grid(tables), pool);
        },
        "prior"_a, "workspace"_a, "counts"_a, "quality"_a, "symbols"_a, "tables"_a,
        "pool"_a.none() = nb::none());
    module.def(
        "read_symbols",
        [](const Prior& prior, PriorWorkspace& workspace, PayloadReader& reader,
           Array<const u16, 2> cumulative, Array<const u8, 2> counts, int quality,
           Array<i16, 2> symbols, Pool* pool) {
            check_quality(quality);
            require(cumulative.shape(0) == 64 && cumulative.shape(1) == 17, "tables are (64, 17)");
            const std::size_t blocks = counts.shape(0) * counts.shape(1);
            require(symbols.shape(0) == blocks && symbols.shape(1) == CHANNELS &&
                        workspace.features.misc.size() == blocks * MISC,
                    "another number of blocks");
            nb::gil_scoped_release unlocked;
            read_symbols(prior, workspace, reader.reader,
                         reinterpret_cast<Cumulative>(cumulative.data()), grid(counts), quality,
                         grid(symbols), pool);
        },
        "prior"_a, "workspace"_a, "reader"_a, "cumulative"_a, "counts"_a, "quality"_a, "symbols"_a,
        "pool"_a.none() = nb::none());

    // For training and tests: what the stacks see, [(group, phase, blocks, rows)].
    module.def(
        "feature_rows",
        [](PriorWorkspace& workspace, Array<const u8, 2> counts, Array<const i16, 2> symbols) {
            std::vector<std::tuple<int, int, Turn, Rows>> out;
            const int pitch = workspace.features.pitch();
            const int width = workspace.features.with_memory ? INTER_FEATURES : KEY_FEATURES;
            walk_rows(workspace, grid(counts), grid(symbols), [&](int group, int phase) {
                const auto& turn = workspace.turn;
                std::vector<u8> rows(turn.size() * width);
                std::vector<u8> one(pitch);
                for (std::size_t i = 0; i < turn.size(); ++i) {
                    write_row(workspace.features, turn[i], one.data());
                    std::copy(one.begin(), one.begin() + width, rows.begin() + i * width);
                }
                out.emplace_back(group, phase, owned(turn, 1, turn.size()),
                                 owned(std::move(rows), turn.size(), width));
            });
            return out;
        },
        "workspace"_a, "counts"_a, "symbols"_a);
    module.def("luma_basis", [] {
        std::vector<i8> out(256 * 256);
        luma_basis(out.data());
        return owned(std::move(out), 256, 256);
    });
    module.def("chroma_basis", [] {
        std::vector<i8> out(64 * 64);
        chroma_basis(out.data());
        return owned(std::move(out), 64, 64);
    });
}

}  // namespace sc
