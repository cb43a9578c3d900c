// SPDX-License-Identifier: Apache-2.0
// The decoder network and its levels for Python.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bindings/arrays.hpp"
#include "bindings/block_arrays.hpp"
#include "bindings/payload.hpp"
#include "conv/correction.hpp"
#include "conv/levels.hpp"

namespace sc {
namespace {

using namespace nb::literals;

using LayerArrays = std::tuple<Array<const i8, 4>, Array<const i32, 2>, Array<const u8, 1>>;

template <class T>
void require_planes(const PlanesOf<T>& three, const Blocks& blocks) {
    const auto fits = [&](const auto& plane, int side) {
        return plane.rows == side * blocks.rows() && plane.columns == side * blocks.columns();
    };
    require(fits(three.y, 16) && fits(three.u, 8) && fits(three.v, 8),
            "planes must be as large as the blocks: 16 samples a block, chroma 8");
}

int areas_of(int blocks) { return (blocks + AREA_BLOCKS - 1) / AREA_BLOCKS; }

// (luma or chroma, areas down, areas across)
template <class T>
Grid<T> of_kind(const Array<T, 3>& levels, int kind) {
    require(levels.shape(0) == 2, "levels are of luma and chroma");
    const std::size_t size = levels.shape(1) * levels.shape(2);
    return {levels.data() + kind * size, static_cast<int>(levels.shape(1)),
            static_cast<int>(levels.shape(2))};
}
void require_areas(int down, int across, const Blocks& blocks) {
    require(down == areas_of(blocks.rows()) && across == areas_of(blocks.columns()),
            "an area is four by four blocks");
}

void require_levels(const Array<const u8, 2>& areas, std::size_t kinds, std::size_t down,
                    std::size_t across) {
    require(kinds == 2 && down == areas.shape(0) && across == areas.shape(1),
            "levels are (2, areas down, areas across)");
}

ConvNetwork network_of(const std::vector<LayerArrays>& arrays) {
    std::vector<ConvWeights> layers;
    for (const auto& [weight, bias, shift] : arrays) {
        require(weight.shape(2) == weight.shape(3) && (weight.shape(2) == 1 || weight.shape(2) == 3),
                "a layer's side is 1 or 3");
        layers.push_back({weight.data(), static_cast<int>(weight.shape(0)),
                          static_cast<int>(weight.shape(1)), static_cast<int>(weight.shape(2)),
                          grid(bias), {shift.data(), shift.shape(0)}});
    }
    return ConvNetwork(layers);
}

}  // namespace

void bind_conv(nb::module_& module) {
    nb::class_<ConvWorkspace>(module, "ConvWorkspace").def(nb::init<>());
    nb::class_<ConvNetwork>(module, "ConvNetwork")
        .def("__init__",
             [](ConvNetwork* self, const std::vector<LayerArrays>& layers) {
                 new (self) ConvNetwork(network_of(layers));
             },
             "layers"_a)
        .def("correction",
             [](const ConvNetwork& self, ConvWorkspace& at, PlaneTuple<const u8> picture,
                std::optional<PlaneTuple<const u8>> predicted, BlockArrays& blocks, int quality,
                std::tuple<int, int> steps_q3, PlaneTuple<i16> added, Pool* pool) {
                 const Blocks view = blocks.view();
                 const ConstPlanes own = planes(picture);
                 ConstPlanes guess;
                 require_planes(own, view);
                 if (predicted) require_planes(guess = planes(*predicted), view);
                 const PlanesOf<i16> to = planes(added);
                 require_planes(to, view);
                 const PlaneSteps steps{std::get<0>(steps_q3), std::get<1>(steps_q3)};
                 require(steps.luma > 0 && steps.chroma > 0, "steps are above 0");
                 nb::gil_scoped_release unlocked;
                 find_correction(self, at, own, predicted ? &guess : nullptr, view, quality, steps, to,
                                 pool);
             },
             "workspace"_a, "picture"_a, "predicted"_a.none(), "blocks"_a, "quality"_a, "steps_q3"_a,
             "added"_a, "pool"_a.none() = nb::none())
        .def("raw",
             [](const ConvNetwork& self, ConvWorkspace& at, Array<const i8, 3> fine,
                Array<const u8, 3> maps, int quality, Array<i8, 3> out) {
                 const int down = static_cast<int>(fine.shape(1));
                 const int across = static_cast<int>(fine.shape(2));
                 require(static_cast<int>(fine.shape(0)) == self.inputs() &&
                             maps.shape(0) == MAPS && 2 * maps.shape(1) == fine.shape(1) &&
                             2 * maps.shape(2) == fine.shape(2) && out.shape(0) == CORRECTIONS &&
                             out.shape(1) == fine.shape(1) && out.shape(2) == fine.shape(2),
                         "inputs, maps or outputs have another shape");
                 self.start(at, down, across);
                 const int cells = down * across;
                 for (int i = 0; i < cells; ++i)
                     for (int k = 0; k < self.inputs(); ++k)
                         self.inputs_at(at, i / across, i % across)[k] =
                             static_cast<u8>(fine.data()[k * cells + i] + OFFSET);
                 for (int i = 0; i < cells / 4; ++i)
                     for (int k = 0; k < MAPS; ++k)
                         at.maps[i * MAPS_BYTES + k] = maps.data()[k * (cells / 4) + i];
                 self.run(at, quality, nullptr);
                 for (int i = 0; i < cells; ++i)
                     for (int k = 0; k < CORRECTIONS; ++k)
                         out.data()[k * cells + i] = at.last[i * CONV_OUTPUTS + k];
             },
             "workspace"_a, "fine"_a, "maps"_a, "quality"_a, "out"_a);

    module.def("areas_acting",
               [](BlockArrays& blocks, Array<u8, 2> areas) {
                   require_areas(static_cast<int>(areas.shape(0)), static_cast<int>(areas.shape(1)),
                                 blocks.view());
                   find_areas(blocks.view(), grid(areas));
               },
               "blocks"_a, "areas"_a);
    module.def("correction_saves",
               [](PlaneTuple<const u8> source, PlaneTuple<const u8> picture,
                  PlaneTuple<const i16> added, BlockArrays& blocks, Array<i64, 4> saved, Pool* pool) {
                   const Blocks view = blocks.view();
                   const ConstPlanes wanted = planes(source), shown = planes(picture);
                   const PlanesOf<const i16> more = planes(added);
                   require_planes(wanted, view);
                   require_planes(shown, view);
                   require_planes(more, view);
                   require(saved.shape(0) == MOST_LEVEL && saved.shape(1) == 2,
                           "saved is (level, luma or chroma, down, across)");
                   const int down = static_cast<int>(saved.shape(2));
                   const int across = static_cast<int>(saved.shape(3));
                   require_areas(down, across, view);
                   Saved to;
                   for (int k = 0; k < 4; ++k)
                       to.by_level[k / 2][k % 2] = {saved.data() + k * down * across, down, across};
                   nb::gil_scoped_release unlocked;
                   find_saved(wanted, shown, more, view, to, pool);
               },
               "source"_a, "picture"_a, "added"_a, "blocks"_a, "saved"_a, "pool"_a.none() = nb::none());
    module.def("choose_levels",
               [](Array<i64, 4> saved, Array<const u8, 2> areas, std::tuple<double, double> bit_price,
                  Array<u8, 3> levels) {
                   require(saved.shape(0) == MOST_LEVEL, "half and all may be saved");
                   require_levels(areas, saved.shape(1), saved.shape(2), saved.shape(3));
                   require_levels(areas, levels.shape(0), levels.shape(1), levels.shape(2));
                   const int down = static_cast<int>(areas.shape(0));
                   const int across = static_cast<int>(areas.shape(1));
                   Saved from;
                   for (int k = 0; k < 4; ++k)
                       from.by_level[k / 2][k % 2] = {saved.data() + k * down * across, down, across};
                   const ByKind<u8> to = {of_kind(levels, 0), of_kind(levels, 1)};
                   return choose_levels(from, grid(areas), {std::get<0>(bit_price), std::get<1>(bit_price)}, to);
               },
               "saved"_a, "areas"_a, "bit_price"_a, "levels"_a);
    module.def("write_levels",
               [](PayloadWriter& writer, Array<const u8, 2> areas, Array<const u8, 3> levels) {
                   require_levels(areas, levels.shape(0), levels.shape(1), levels.shape(2));
                   const ByKind<const u8> from = {of_kind(levels, 0), of_kind(levels, 1)};
                   write_levels(writer.list, grid(areas), from);
               },
               "writer"_a, "areas"_a, "levels"_a);
    module.def("read_levels",
               [](PayloadReader& reader, Array<const u8, 2> areas, Array<u8, 3> levels) {
                   require_levels(areas, levels.shape(0), levels.shape(1), levels.shape(2));
                   const ByKind<u8> to = {of_kind(levels, 0), of_kind(levels, 1)};
                   read_levels(reader.reader, grid(areas), to);
               },
               "reader"_a, "areas"_a, "levels"_a);
    module.def("add_correction",
               [](PlaneTuple<u8> picture, PlaneTuple<const i16> added, BlockArrays& blocks,
                  Array<const u8, 3> levels, Pool* pool) {
                   const Blocks view = blocks.view();
                   const Planes shown = planes(picture);
                   const PlanesOf<const i16> more = planes(added);
                   require_planes(shown, view);
                   require_planes(more, view);
                   const ByKind<const u8> by = {of_kind(levels, 0), of_kind(levels, 1)};
                   require_areas(by[0].rows, by[0].columns, view);
                   nb::gil_scoped_release unlocked;
                   add_correction(shown, more, view, by, pool);
               },
               "picture"_a, "added"_a, "blocks"_a, "levels"_a, "pool"_a.none() = nb::none());
}

}  // namespace sc
