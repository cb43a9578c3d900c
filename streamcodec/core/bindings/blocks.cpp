// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include "bindings/arrays.hpp"
#include "bindings/block_arrays.hpp"
#include "blocks/code.hpp"
#include "blocks/intra.hpp"
#include "blocks/layout.hpp"
#include "blocks/marks.hpp"
#include "blocks/open_loop.hpp"
#include "blocks/rebuild.hpp"
#include "blocks/residual.hpp"
#include "blocks/transform.hpp"
#include "blocks/workspace.hpp"
#include "kernels/bases.hpp"
#include "pool.hpp"

namespace sc {
namespace {

using namespace nb::literals;

using StepsArray = Array<const i32, 1>;
using ConstContextArray = Array<const u16, 2>;

const i32* steps(const StepsArray& array) {
    require(array.shape(0) == CHANNELS, "steps_q3 must have 384 steps");
    for (std::size_t c = 0; c < CHANNELS; ++c) {
        require(array.data()[c] > 0 && array.data()[c] <= 65535, "steps_q3 must be 1 to 65535");
    }
    return array.data();
}

template <class T>
PlanesOf<T> picture(const PlaneTuple<T>& three, const Blocks& blocks) {
    const PlanesOf<T> found = planes(three);
    const auto fits = [](Grid<T> plane, int rows, int columns) {
        return plane.rows == rows && plane.columns == columns;
    };
    const int rows = blocks.rows(), columns = blocks.columns();
    require(fits(found.y, 16 * rows, 16 * columns) && fits(found.u, 8 * rows, 8 * columns) &&
                fits(found.v, 8 * rows, 8 * columns),
            "planes must be as large as the blocks: 16 samples a block, chroma 8");
    return found;
}

// A row of 384 for each block.
template <class T>
Grid<T> channels(const Array<T, 2>& array, const Blocks& blocks, const char* what) {
    require(array.shape(0) == static_cast<std::size_t>(blocks.rows()) * blocks.columns() &&
                array.shape(1) == CHANNELS,
            what);
    return grid(array);
}

template <class T>
Grid<T> of_blocks(const Array<T, 2>& array, const Blocks& blocks, const char* what) {
    const Grid<T> found = grid(array);
    require(found.rows == blocks.rows() && found.columns == blocks.columns(), what);
    return found;
}

template <class T>
T* many(const Array<T, 1>& array, std::size_t count, const char* what) {
    require(array.shape(0) == count, what);
    return array.data();
}

void bind_frames(nb::module_& module) {
    module.def(
        "transform_inter",
        [](BlocksWorkspace& workspace, const PlaneTuple<const u8>& source,
           const PlaneTuple<const u8>& prediction, BlockArrays& arrays,
           const Array<const i16, 3>& reference_field, float inverse_step,
           const Array<float, 2>& coefficients, const Array<u8, 2>& free, Pool* pool,
           float apart_from, float finer_from) {
            const Blocks blocks = arrays.view();
            const Grid<const Vector> before = vectors(reference_field);
            require(before.rows == blocks.field.rows && before.columns == blocks.field.columns,
                    "reference_field must have the blocks' size");
            const auto from = picture(source, blocks), guess = picture(prediction, blocks);
            const auto levels =
                channels(coefficients, blocks, "coefficients must be (blocks, 384)");
            const auto marks = of_blocks(free, blocks, "free must be (rows, columns)");
            nb::gil_scoped_release released;
            transform_inter(workspace, from, guess, blocks, before, inverse_step, levels, marks,
                            {apart_from, finer_from}, pool);
        },
        "workspace"_a, "source"_a, "prediction"_a, "blocks"_a, "reference_field"_a, "inverse_step"_a,
        "coefficients"_a, "free"_a, "pool"_a.none() = nb::none(),
        "apart_from"_a = Splitting{}.apart_from, "finer_from"_a = Splitting{}.finer_from);
    module.def(
        "open_loop",
        [](const PlaneTuple<const u8>& source, BlockArrays& arrays,
           const Array<float, 2>& coefficients, Pool* pool) {
            const Blocks blocks = arrays.view();
            const auto from = picture(source, blocks);
            const auto levels =
                channels(coefficients, blocks, "coefficients must be (blocks, 384)");
            nb::gil_scoped_release released;
            open_loop(from, blocks, levels, pool);
        },
        "source"_a, "blocks"_a, "coefficients"_a, "pool"_a.none() = nb::none());
    module.def(
        "shift_coefficients",
        [](const PlaneTuple<const float>& added, BlockArrays& arrays,
           const Array<float, 2>& coefficients, Pool* pool) {
            const Blocks blocks = arrays.view();
            const auto what = picture(added, blocks);
            const auto levels =
                channels(coefficients, blocks, "coefficients must be (blocks, 384)");
            nb::gil_scoped_release released;
            shift_coefficients(what, blocks, levels, pool);
        },
        "added"_a, "blocks"_a, "coefficients"_a, "pool"_a.none() = nb::none());
    module.def(
        "quantise_plainly",
        [](const Array<const float, 2>& coefficients, const StepsArray& steps_q3, float rounding,
           const Array<i16, 2>& symbols, const Array<u8, 2>& counts) {
            const auto levels = grid(coefficients);
            const auto out = grid(symbols);
            const auto needed = grid(counts);
            require(levels.columns == CHANNELS && out.columns == CHANNELS &&
                        levels.rows == out.rows &&
                        counts.size() == static_cast<std::size_t>(levels.rows),
                    "coefficients and symbols must be (blocks, 384), counts one a block");
            const i32* each = steps(steps_q3);
            nb::gil_scoped_release released;
            quantise_plainly(levels, each, rounding, out, needed);
        },
        "coefficients"_a, "steps_q3"_a, "rounding"_a, "symbols"_a, "counts"_a);
    module.def("keep_intra",
               [](BlockArrays& arrays, int fewest) { keep_intra(arrays.view(), fewest); },
               "blocks"_a, "fewest"_a);
    module.def("forget_splits", [](BlockArrays& arrays) { forget_splits(arrays.view()); }, "blocks"_a);
    module.def(
        "set_hurdle",
        [](BlockArrays& arrays, const Array<const u8, 2>& free, int bits, float share, int noise,
           const Array<u8, 2>& hurdle) {
            const Blocks blocks = arrays.view();
            require(bits >= 0 && bits <= 255, "bits are 0 to 255");
            set_hurdle(blocks, of_blocks(free, blocks, "free must be (rows, columns)"),
                       {static_cast<u8>(bits), share, noise},
                       of_blocks(hurdle, blocks, "hurdle must be (rows, columns)"));
        },
        "blocks"_a, "free"_a, "bits"_a, "share"_a, "noise"_a, "hurdle"_a);
    module.def(
        "count_groups",
        [](const Array<const float, 2>& coefficients, const StepsArray& steps_q3, float rounding,
           const Array<u8, 2>& counts) {
            const auto levels = grid(coefficients);
            const auto needed = grid(counts);
            require(levels.columns == CHANNELS &&
                        counts.size() == static_cast<std::size_t>(levels.rows),
                    "coefficients must be (blocks, 384), counts one a block");
            const i32* each = steps(steps_q3);
            nb::gil_scoped_release released;
            count_groups(levels, each, rounding, needed);
        },
        "coefficients"_a, "steps_q3"_a, "rounding"_a, "counts"_a);
    module.def(
        "rebuild",
        [](BlockArrays& arrays, const Array<const i16, 2>& symbols, const StepsArray& steps_q3,
           const PlaneTuple<u8>& three, Pool* pool) {
            const Blocks blocks = arrays.view();
            const auto rows = channels(symbols, blocks, "symbols must be (blocks, 384)");
            const auto picture_planes = picture(three, blocks);
            const i32* each = steps(steps_q3);
            nb::gil_scoped_release released;
            rebuild(blocks, rows, each, picture_planes, pool);
        },
        "blocks"_a, "symbols"_a, "steps_q3"_a, "planes"_a, "pool"_a.none() = nb::none());
}

void bind_code(nb::module_& module) {
    nb::class_<CodeParams>(module, "CodeParams")
        .def("__init__",
             [](CodeParams* self, double mu, int trend) {
                 require(trend >= 0 && trend <= 2, "trend must be 0, 1 or 2");
                 new (self) CodeParams{mu, trend};
             },
             "mu"_a, "trend"_a)
        .def_ro("mu", &CodeParams::mu)
        .def_ro("trend", &CodeParams::trend);
    module.def(
        "code",
        [](BlocksWorkspace& workspace, const CodeParams& params,
           const PlaneTuple<const u8>& source, BlockArrays& arrays,
           const Array<const float, 2>& coefficients, const Array<const u8, 2>& tables,
           const Array<const i32, 2>& costs_q8, const StepsArray& steps_q3,
           const ConstContextArray& contexts, const Array<const u8, 2>& reference_counts,
           const Array<const u8, 2>& free, const Array<const u8, 2>& hurdle,
           const Array<i16, 2>& symbols, const PlaneTuple<u8>& three,
           const std::optional<PlaneTuple<const float>>& added) {
            const Blocks blocks = arrays.view();
            require(costs_q8.shape(0) == TABLES && costs_q8.shape(1) == MAGNITUDES,
                    "costs_q8 must be (64, 16)");
            require(contexts.shape(0) == static_cast<std::size_t>(CONTEXTS) &&
                        contexts.shape(1) == 2,
                    "contexts must be (CONTEXTS, 2)");
            const CodeInput input{
                picture(source, blocks),
                added ? picture(*added, blocks) : Added(),
                channels(coefficients, blocks, "coefficients must be (blocks, 384)"),
                channels(tables, blocks, "tables must be (blocks, 384)"),
                grid(costs_q8),
                steps(steps_q3),
                {reinterpret_cast<const Context*>(contexts.data()), contexts.shape(0)},
                of_blocks(reference_counts, blocks, "reference_counts must be (rows, columns)"),
                of_blocks(free, blocks, "free must be (rows, columns)"),
                of_blocks(hurdle, blocks, "hurdle must be (rows, columns)")};
            const auto out = channels(symbols, blocks, "symbols must be (blocks, 384)");
            const auto picture_planes = picture(three, blocks);
            nb::gil_scoped_release released;
            code(workspace, params, input, blocks, out, picture_planes);
        },
        "workspace"_a, "params"_a, "source"_a, "blocks"_a, "coefficients"_a, "tables"_a,
        "costs_q8"_a, "steps_q3"_a, "contexts"_a, "reference_counts"_a, "free"_a, "hurdle"_a,
        "symbols"_a, "planes"_a, "added"_a.none() = nb::none());
}

// Single steps, for the tests that hold them against their twins.
void bind_steps(nb::module_& module) {
    module.def(
        "block_forward",
        [](const Array<const float, 1>& samples, int split, const Array<float, 1>& out) {
            require(split >= 0 && split <= MAX_SPLIT, "split must be 0 to 81");
            forward(many(samples, CHANNELS, "samples must be 384"), split,
                    many(out, CHANNELS, "out must be 384"));
        },
        "samples"_a, "split"_a, "out"_a);
    module.def(
        "block_forward_cheapest",
        [](const Array<const float, 1>& samples, float inverse_step, const Array<float, 1>& out) {
            return forward_cheapest(many(samples, CHANNELS, "samples must be 384"), inverse_step,
                                    many(out, CHANNELS, "out must be 384"));
        },
        "samples"_a, "inverse_step"_a, "out"_a);
    module.def(
        "level_bits",
        [](const Array<const float, 1>& levels, float inverse_step) {
            require(levels.shape(0) % 16 == 0, "levels must be a multiple of 16");
            return level_bits(levels.data(), static_cast<int>(levels.shape(0)), inverse_step);
        },
        "levels"_a, "inverse_step"_a);
    module.def(
        "block_add_residual",
        [](const Array<const i16, 1>& symbols, const StepsArray& steps_q3, int split,
           const PlaneTuple<u8>& three) {
            const auto to = planes(three);
            require(split >= 0 && split <= MAX_SPLIT, "split must be 0 to 81");
            require(to.y.rows == 16 && to.y.columns == 16 && to.u.rows == 8 && to.u.columns == 8 &&
                        to.v.rows == 8 && to.v.columns == 8,
                    "planes must be of one block");
            Residual residual;
            residual.put(many(symbols, CHANNELS, "symbols must be 384"), CHANNELS, steps(steps_q3),
                         split);
            residual.add_luma(to.y.data, to.y.pitch, split);
            residual.add_chroma(to.u.data, to.u.pitch, 0);
            residual.add_chroma(to.v.data, to.v.pitch, 1);
        },
        "symbols"_a, "steps_q3"_a, "split"_a, "planes"_a);
    module.def(
        "intra_square",
        [](const Strided<const u8>& from, int y, int x, int size, int right, int below, int mode,
           const Array<u8, 2>& out) {
            const Grid<const u8> samples = plane(from);
            require(size == 4 || size == 8 || size == 16, "size must be 4, 8 or 16");
            require(y >= 0 && x >= 0 && y + size <= samples.rows && x + size <= samples.columns,
                    "the square must lie inside the plane");
            require(right >= 0 && right <= size && below >= 0 && below <= size,
                    "right and below must be 0 to size");
            require(out.shape(0) == static_cast<std::size_t>(size) &&
                        out.shape(1) == static_cast<std::size_t>(size),
                    "out must be (size, size)");
            predict_square(samples, {y, x, size, right, below}, mode, out.data(), size);
        },
        "plane"_a, "y"_a, "x"_a, "size"_a, "right"_a, "below"_a, "mode"_a, "out"_a);
    module.def(
        "block_layout",
        [](const Array<i32, 1>& order, const Array<i32, 1>& bands) {
            i32* positions = many(order, CHANNELS, "order must be 384");
            i32* sums = many(bands, CHANNELS, "bands must be 384");
            for (int c = 0; c < CHANNELS; ++c) {
                positions[c] = ORDER[c];
                sums[c] = BAND[c];
            }
        },
        "order"_a, "bands"_a);
    module.def(
        "block_basis",
        [](const Array<float, 2>& floats, const Array<i32, 2>& integers) {
            const auto copy = [&](const auto& from, const auto& to) {
                const auto out = grid(to);
                const int size = out.rows;
                require(out.columns == size, "bases are square");
                for (int k = 0; k < size; ++k) {
                    for (int x = 0; x < size; ++x) out(k, x) = from(size, k, x);
                }
            };
            require(floats.shape(0) == integers.shape(0), "bases must have one size");
            const std::size_t size = floats.shape(0);
            require(size == 4 || size == 8 || size == 16, "a basis has 4, 8 or 16 rows");
            copy([](int n, int k, int x) {
                return n == 16 ? D16.at[k][x] : (n == 8 ? D8.at[k][x] : D4.at[k][x]);
            }, floats);
            copy([](int n, int k, int x) {
                return n == 16 ? B16.at[k][x] : (n == 8 ? B8.at[k][x] : B4.at[k][x]);
            }, integers);
        },
        "floats"_a, "integers"_a);
}

}  // namespace

void bind_blocks(nb::module_& module) {
    nb::class_<BlocksWorkspace>(module, "BlocksWorkspace").def(nb::init<>());
    bind_frames(module);
    bind_code(module);
    bind_steps(module);
}

}  // namespace sc
