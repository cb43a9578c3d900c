// SPDX-License-Identifier: Apache-2.0
// The module `streamcodec._core`; _core.pyi says what each function takes.
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bindings/arrays.hpp"
#include "bindings/block_arrays.hpp"
#include "kernels.hpp"
#include "pool.hpp"

namespace sc {

void bind_blocks_class(nb::module_& module) {
    using namespace nb::literals;
    nb::class_<BlockArrays>(module, "Blocks")
        .def(nb::init<int, int>(), "rows"_a, "columns"_a)
        .def_prop_ro("rows", &BlockArrays::rows)
        .def_prop_ro("columns", &BlockArrays::columns)
        .def("copy", [](const BlockArrays& self) { return BlockArrays(self); })
        .def_prop_ro(
            "modes",
            [](BlockArrays& self) {
                const auto view = self.view().modes;
                return nb::ndarray<nb::numpy, u8, nb::ndim<2>>(
                    view.data, {std::size_t(view.rows), std::size_t(view.columns)});
            },
            nb::rv_policy::reference_internal)
        .def_prop_ro(
            "field",
            [](BlockArrays& self) {
                const auto view = self.view().field;
                return nb::ndarray<nb::numpy, i16, nb::ndim<3>>(
                    &view.data->dy, {std::size_t(view.rows), std::size_t(view.columns), 2});
            },
            nb::rv_policy::reference_internal)
        .def_prop_ro(
            "intra_modes",
            [](BlockArrays& self) {
                const auto view = self.view().intra_modes;
                return nb::ndarray<nb::numpy, i8, nb::ndim<2>>(
                    view.data, {std::size_t(view.rows), std::size_t(view.columns)});
            },
            nb::rv_policy::reference_internal)
        .def_prop_ro(
            "counts",
            [](BlockArrays& self) {
                const auto view = self.view().counts;
                return nb::ndarray<nb::numpy, u8, nb::ndim<2>>(
                    view.data, {std::size_t(view.rows), std::size_t(view.columns)});
            },
            nb::rv_policy::reference_internal)
        .def_prop_ro(
            "splits",
            [](BlockArrays& self) {
                const auto view = self.view().splits;
                return nb::ndarray<nb::numpy, u8, nb::ndim<2>>(
                    view.data, {std::size_t(view.rows), std::size_t(view.columns)});
            },
            nb::rv_policy::reference_internal);
    nb::class_<Pool>(module, "Pool")
        .def(nb::init<int>(), "threads"_a)
        .def("close", &Pool::close, nb::call_guard<nb::gil_scoped_release>())
        .def("watch", &Pool::watch)
        .def("watched", &Pool::watched)
        .def_prop_ro("threads", &Pool::threads);
    module.def("level", [] { return std::string(kernels().level); });
    module.def("levels", [] {
        const Levels known = levels();
        return std::vector<std::string>(known.names, known.names + known.count);
    });
    module.def("choose_level", [](const std::string& name) { choose_level(name.c_str()); }, "name"_a);
    module.def("band_count", &band_count, "rows"_a);
    module.def("band_of", [](int rows, int index) {
        const Band band = band_of(rows, index);
        return std::make_tuple(band.first, band.last);
    }, "rows"_a, "index"_a);
}

}  // namespace sc

NB_MODULE(_core, module) {
    sc::bind_blocks_class(module);
    sc::bind_entropy(module);
    sc::bind_motion(module);
    sc::bind_blocks(module);
    sc::bind_pictures(module);
    sc::bind_prior(module);
    sc::bind_conv(module);
}
