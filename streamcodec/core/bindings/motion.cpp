// SPDX-License-Identifier: Apache-2.0
// The search for Python: the first look at a frame, and what tests compare with its twins.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>

#include "bindings/arrays.hpp"
#include "bindings/block_arrays.hpp"
#include "kernels.hpp"
#include "motion/analyse.hpp"
#include "motion/intra_search.hpp"
#include "pool.hpp"

namespace sc {
namespace {

BitWeights bit_weights_of(std::tuple<float, float> pair) {
    return {std::get<0>(pair), std::get<1>(pair)};
}

// A block's own samples, 16 to a row, and others of at least its size; for tests.
struct Pair {
    const u8* own;
    Grid<const u8> other;
};
Pair pair_of(const Array<const u8, 2>& own, const Strided<const u8>& other, int size) {
    require(size == 8 || size == 16, "blocks are 8 or 16 samples a side");
    require(own.shape(0) == 16 && own.shape(1) == 16, "a block's own samples are (16, 16)");
    const Grid<const u8> grid = plane(other);
    require(grid.rows >= size && grid.columns >= size, "other samples are too few");
    return {own.data(), grid};
}

int block_sad(Array<const u8, 2> own, Strided<const u8> other, int size) {
    const Pair pair = pair_of(own, other, size);
    const auto& kernel = *kernels().motion;
    return (size == 16 ? kernel.sad16 : kernel.sad8)(pair.own, pair.other.data, pair.other.pitch);
}

// Against the other samples at four columns, each with `size` columns from it.
std::tuple<int, int, int, int> block_sads(Array<const u8, 2> own, Strided<const u8> other, int size,
                                          std::tuple<int, int, int, int> columns) {
    const Pair pair = pair_of(own, other, size);
    const auto [a, b, c, d] = columns;
    const u8* others[4];
    int index = 0;
    for (const int column : {a, b, c, d}) {
        others[index++] = &pair.other.at(size - 1, column + size - 1) -
                          (size - 1) * (pair.other.pitch + 1);
        require(column >= 0, "columns start at 0");
    }
    int out[4];
    const auto& kernel = *kernels().motion;
    (size == 16 ? kernel.sad16_of_four : kernel.sad8_of_four)(pair.own, others, pair.other.pitch,
                                                              out);
    return {out[0], out[1], out[2], out[3]};
}

int block_squared(Array<const u8, 2> own, Strided<const u8> other) {
    const Pair pair = pair_of(own, other, 16);
    return kernels().motion->squared16(pair.own, pair.other.data, pair.other.pitch);
}

int hadamard_bits(Array<const u8, 2> own, Strided<const u8> other, int size,
                std::tuple<float, float> bit_weights) {
    const Pair pair = pair_of(own, other, size);
    const auto& kernel = *kernels().motion;
    return (size == 16 ? kernel.hadamard16 : kernel.hadamard8)(pair.own, pair.other.data,
                                                         pair.other.pitch, bit_weights_of(bit_weights));
}

// Fill out (16, height + 2 * MARGIN_PX, width + 2 * MARGIN_PX) with all shifts of a plane; what
// lies farther out than REACH_PX means nothing.
void shifts(Strided<const u8> luma, Array<u8, 3> out) {
    const Grid<const u8> whole = plane(luma);
    constexpr int MARGIN = Shifted::MARGIN_PX;
    require(whole.rows % 16 == 0 && whole.columns % 16 == 0 && whole.rows && whole.columns,
            "sides are multiples of 16");
    require(out.shape(0) == 16 && out.shape(1) == std::size_t(whole.rows + 2 * MARGIN) &&
                out.shape(2) == std::size_t(whole.columns + 2 * MARGIN),
            "planes of shifts have a margin on every side");
    Shifted shifted;
    shifted.begin(whole, false);
    shifted.need_all();
    const std::size_t width = out.shape(2);
    u8* to = out.data();
    for (i16 k = 0; k < 16; ++k) {
        for (int y = -MARGIN; y < whole.rows + MARGIN; ++y, to += width) {
            const Vector by{static_cast<i16>(k >> 2), static_cast<i16>(k & 3)};
            std::memcpy(to, shifted.known(y, -MARGIN, by), width);
        }
    }
}

void key(Strided<const u8> source, std::tuple<float, float> bit_weights, float inverse_step,
         BlockArrays& blocks, Pool* pool) {
    const Grid<const u8> luma = plane(source);
    nb::gil_scoped_release release;
    analyse_key(luma, bit_weights_of(bit_weights), inverse_step, blocks.view(), pool);
}

void inter(MotionWorkspace& workspace, Strided<const u8> source, Strided<const u8> reference,
           BlockArrays& blocks, const MotionParams& params, Array<const u16, 2> contexts,
           Array<const i16, 3> reference_field, Array<const u8, 2> reference_counts, int trend,
           Pool* pool) {
    require(contexts.shape(1) == 2, "contexts are (CONTEXTS, 2)");
    require(trend >= 0 && trend <= 2, "trend is 0, 1 or 2");
    const Grid<const u8> luma = plane(source), before = plane(reference);
    const ConstContexts rows(reinterpret_cast<const Context*>(contexts.data()), contexts.shape(0));
    const Known known{vectors(reference_field), grid(reference_counts), trend};
    nb::gil_scoped_release release;
    analyse_inter(workspace, luma, before, blocks.view(), params, rows, known, pool);
}

}  // namespace

void bind_motion(nb::module_& module) {
    using namespace nb::literals;
    nb::class_<SearchEffort>(module, "SearchEffort")
        .def(nb::init<>())
        .def_rw("still_q4", &SearchEffort::still_q4)
        .def_rw("wide_step", &SearchEffort::wide_step)
        .def_rw("near_step", &SearchEffort::near_step)
        .def_rw("most_moves", &SearchEffort::most_moves)
        .def_rw("diagonals", &SearchEffort::diagonals)
        .def_rw("refine_rounds", &SearchEffort::refine_rounds)
        .def_rw("rough_quarters", &SearchEffort::rough_quarters)
        .def_rw("quarters_step", &SearchEffort::quarters_step)
        .def_rw("quarters_from", &SearchEffort::quarters_from)
        .def_rw("alike_from", &SearchEffort::alike_from)
        .def_rw("intra_from", &SearchEffort::intra_from)
        .def_rw("square_tries", &SearchEffort::square_tries)
        .def_rw("weigh_within", &SearchEffort::weigh_within)
        .def_rw("first_prices", &SearchEffort::first_prices);
    module.def("search_effort", [](const std::string& name) { return effort_of(name); }, "name"_a);
    nb::class_<MotionParams>(module, "MotionParams")
        .def(
            "__init__",
            [](MotionParams* self, int lambda_q8, int still, std::tuple<float, float> bit_weights,
               float per_square, const SearchEffort& effort) {
                new (self) MotionParams{lambda_q8, still, bit_weights_of(bit_weights), per_square, effort};
            },
            nb::kw_only(), "lambda_q8"_a, "still"_a, "bit_weights"_a, "per_square"_a,
            "effort"_a = SearchEffort{})
        .def_rw("lambda_q8", &MotionParams::lambda_q8)
        .def_rw("still", &MotionParams::still)
        .def_rw("per_square", &MotionParams::per_square)
        .def_rw("effort", &MotionParams::effort);
    nb::class_<MotionWorkspace>(module, "MotionWorkspace")
        .def(nb::init<>())
        .def_prop_ro("tiles",
                     [](const MotionWorkspace& self) {
                         return std::make_tuple(self.shifted.filled(), self.shifted.tiles());
                     });
    module.def("analyse_key", &key, "source"_a, "bit_weights"_a, "inverse_step"_a, "blocks"_a,
               "pool"_a.none() = nb::none());
    module.def("analyse_inter", &inter, "workspace"_a, "source"_a, "reference"_a, "blocks"_a,
               "params"_a, "contexts"_a, "reference_field"_a, "reference_counts"_a, "trend"_a,
               "pool"_a.none() = nb::none());
    module.def("block_sad", &block_sad, "own"_a, "other"_a, "size"_a);
    module.def("block_sads", &block_sads, "own"_a, "other"_a, "size"_a, "columns"_a);
    module.def("block_squared", &block_squared, "own"_a, "other"_a);
    module.def("hadamard_bits", &hadamard_bits, "own"_a, "other"_a, "size"_a, "bit_weights"_a);
    module.def("shifts", &shifts, "luma"_a, "out"_a);
}

}  // namespace sc
