// SPDX-License-Identifier: Apache-2.0
// Prediction, deblocking and the loop filter for Python; see _core.pyi.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "bindings/arrays.hpp"
#include "bindings/block_arrays.hpp"
#include "pictures/compensate.hpp"
#include "pictures/deblock.hpp"
#include "pictures/loopfilter.hpp"
#include "pictures/overlap.hpp"
#include "pool.hpp"

namespace sc {

namespace {

using StepPair = std::pair<int, int>;

void require_planes(const ConstPlanes& planes, const Blocks& blocks) {
    const auto fits = [&](const Grid<const u8>& plane, int side) {
        return plane.rows == side * blocks.rows() && plane.columns == side * blocks.columns();
    };
    require(fits(planes.y, 16) && fits(planes.u, 8) && fits(planes.v, 8),
            "planes have 16x16 luma and 8x8 chroma samples a block");
}

void predict_planes(const PlaneTuple<const u8>& reference, BlockArrays& blocks,
                    const PlaneTuple<u8>& out, Pool* pool) {
    const auto from = planes(reference);
    const auto to = planes(out);
    require_planes(from, blocks.view());
    require_planes(to, blocks.view());
    nb::gil_scoped_release release;
    predict(from, blocks.view(), to, pool);
}

void deblock_planes(BlockArrays& blocks, int step_q3, int chroma_step_q3,
                    const PlaneTuple<u8>& three, Pool* pool) {
    const auto to = planes(three);
    require_planes(to, blocks.view());
    nb::gil_scoped_release release;
    deblock(blocks.view(), step_q3, chroma_step_q3, to, pool);
}

LoopFilter loop_filter(StepPair steps, const Array<const i16, 3>& weights) {
    require(weights.shape(0) == 2 && weights.shape(1) == FILTER_CLASSES &&
                weights.shape(2) == FILTER_PAIRS,
            "weights of the loop filter are (2, 15, 6)");
    LoopFilter filter{{steps.first, steps.second}, {}};
    std::copy_n(weights.data(), weights.size(), &filter.weights[0][0][0]);
    return filter;
}

// A fresh array, zero everywhere, and what keeps its memory.
template <int DIMENSIONS>
auto zeros(const std::array<std::size_t, DIMENSIONS>& shape) {
    std::size_t size = 1;
    for (const auto side : shape) size *= side;
    auto* samples = new u8[size]();
    nb::capsule owner(samples, [](void* p) noexcept { delete[] static_cast<u8*>(p); });
    return nb::ndarray<nb::numpy, u8, nb::ndim<DIMENSIONS>, nb::c_contig>(samples, DIMENSIONS,
                                                                        shape.data(), owner);
}

Areas areas_in(const Array<u8, 3>& flags, const Blocks& blocks) {
    const int rows = areas_of(blocks.rows());
    const int columns = areas_of(blocks.columns());
    require(flags.shape(0) == 2 && int(flags.shape(1)) == rows && int(flags.shape(2)) == columns,
            "flags of the loop filter are (2, areas down, areas across)");
    return {{flags.data(), rows, columns}, {flags.data() + rows * columns, rows, columns}};
}

void rebuild_filtered(const PlaneTuple<u8>& three, const Array<u8, 3>& flags, BlockArrays& blocks,
                      StepPair steps, const Array<const i16, 3>& weights, Pool* pool,
                      FilterWorkspace* workspace) {
    const auto to = planes(three);
    require_planes(to, blocks.view());
    const auto areas = areas_in(flags, blocks.view());
    const auto filter = loop_filter(steps, weights);
    nb::gil_scoped_release release;
    FilterWorkspace own;
    filter_rebuild(to, areas, blocks.view(), filter, workspace ? *workspace : own, pool);
}

auto search_filtered(const PlaneTuple<const u8>& source, const PlaneTuple<u8>& three,
                     BlockArrays& blocks, StepPair steps, const Array<const i16, 3>& weights,
                     std::pair<i64, i64> least_gain, Pool* pool, FilterWorkspace* workspace) {
    const auto from = planes(source);
    const auto to = planes(three);
    require_planes(from, blocks.view());
    require_planes(to, blocks.view());
    const auto filter = loop_filter(steps, weights);
    const int rows = areas_of(blocks.rows());
    const int columns = areas_of(blocks.columns());
    auto flags = zeros<3>({2, std::size_t(rows), std::size_t(columns)});
    const Areas areas{{flags.data(), rows, columns},
                      {flags.data() + rows * columns, rows, columns}};
    {
        nb::gil_scoped_release release;
        FilterWorkspace own;
        filter_search(from, to, blocks.view(), filter, {least_gain.first, least_gain.second}, areas,
                      workspace ? *workspace : own, pool);
    }
    return flags;
}

void accumulate(const Strided<const u8>& samples, const Strided<const u8>& source,
                const Array<const u8, 2>& counts, const Array<const u8, 2>& modes, int step_q3,
                const Array<double, 3>& squares, const Array<double, 2>& products) {
    require(squares.shape(0) == FILTER_CLASSES && squares.shape(1) == FILTER_PAIRS &&
                squares.shape(2) == FILTER_PAIRS && products.shape(0) == FILTER_CLASSES &&
                products.shape(1) == FILTER_PAIRS,
            "sums of the loop filter are (15, 6, 6) and (15, 6)");
    const auto from = plane(samples);
    const auto original = plane(source);
    const auto coded = grid(counts);
    const auto kinds = grid(modes);
    nb::gil_scoped_release release;
    filter_accumulate(from, original, coded, kinds, step_q3, {squares.data(), products.data()});
}

// For tests: one block, moved.
auto moved_luma(const Strided<const u8>& reference, int y, int x, std::pair<i16, i16> by,
                int size) {
    require(size == 16 || size == 8, "a block of luma has 16 or 8 samples a side");
    auto out = zeros<2>({std::size_t(size), std::size_t(size)});
    luma_block(plane(reference), y, x, {by.first, by.second}, size, out.data(), size);
    return out;
}

auto moved_chroma(const Strided<const u8>& u, const Strided<const u8>& v, int y, int x,
                  std::pair<i16, i16> by, int size) {
    require(size == 8 || size == 4, "a block of chroma has 8 or 4 samples a side");
    auto out = zeros<3>({2, std::size_t(size), std::size_t(size)});
    chroma_block({{}, plane(u), plane(v)}, y, x, {by.first, by.second}, size,
                 {{out.data(), out.data() + size * size}, {size, size}});
    return out;
}

}  // namespace

void bind_pictures(nb::module_& module) {
    using namespace nb::literals;
    module.attr("PAD_PX") = PAD_PX;
    module.attr("REACH_PX") = REACH_PX;
    nb::class_<FilterWorkspace>(module, "FilterWorkspace").def(nb::init<>());
    module.def("luma_block", &moved_luma, "reference"_a, "y"_a, "x"_a, "by"_a, "size"_a);
    module.def("chroma_block", &moved_chroma, "u"_a, "v"_a, "y"_a, "x"_a, "by"_a, "size"_a);
    module.def("predict", &predict_planes, "reference"_a, "blocks"_a, "planes"_a,
               "pool"_a.none() = nb::none());
    module.def("deblock", &deblock_planes, "blocks"_a, "step_q3"_a, "chroma_step_q3"_a, "planes"_a,
               "pool"_a.none() = nb::none());
    module.def("filter_rebuild", &rebuild_filtered, "planes"_a, "flags"_a, "blocks"_a, "steps_q3"_a,
               "weights"_a, "pool"_a.none() = nb::none(), "workspace"_a.none() = nb::none());
    module.def("filter_search", &search_filtered, "source"_a, "planes"_a, "blocks"_a, "steps_q3"_a,
               "weights"_a, "least_gain"_a, "pool"_a.none() = nb::none(),
               "workspace"_a.none() = nb::none());
    module.def("filter_accumulate", &accumulate, "plane"_a, "source"_a, "counts"_a, "modes"_a,
               "step_q3"_a, "squares"_a, "products"_a);
}

}  // namespace sc
