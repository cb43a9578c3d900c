// SPDX-License-Identifier: Apache-2.0
// NumPy arrays as the core's views. Shapes that do not fit raise ValueError before anything is read.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>
#include <string>
#include <tuple>

#include "grid.hpp"

namespace sc {

namespace nb = nanobind;

template <class T, int DIMENSIONS>
using Array = nb::ndarray<T, nb::ndim<DIMENSIONS>, nb::device::cpu, nb::c_contig>;
// Rows may lie apart: planes that are cut from larger ones.
template <class T>
using Strided = nb::ndarray<T, nb::ndim<2>, nb::device::cpu>;

template <class T>
Grid<T> grid(const Array<T, 2>& array) {
    return {array.data(), static_cast<int>(array.shape(0)), static_cast<int>(array.shape(1))};
}

// A plane whose rows are contiguous but may lie apart.
template <class T>
Grid<T> plane(const Strided<T>& array) {
    if (array.shape(1) > 1 && array.stride(1) != 1) {
        throw std::invalid_argument("samples of a row must lie side by side");
    }
    return {array.data(), static_cast<int>(array.shape(0)), static_cast<int>(array.shape(1)),
            array.stride(0)};
}

template <class T>
using PlaneTuple = std::tuple<Strided<T>, Strided<T>, Strided<T>>;

template <class T>
PlanesOf<T> planes(const PlaneTuple<T>& three) {
    return {plane(std::get<0>(three)), plane(std::get<1>(three)), plane(std::get<2>(three))};
}

// Vectors from an (h, w, 2) int16 array.
template <class T>
auto vectors(const Array<T, 3>& array) {
    if (array.shape(2) != 2) throw std::invalid_argument("vectors have two components");
    using V = std::conditional_t<std::is_const_v<T>, const Vector, Vector>;
    return Grid<V>(reinterpret_cast<V*>(array.data()), static_cast<int>(array.shape(0)),
                   static_cast<int>(array.shape(1)));
}

inline void require(bool fine, const char* what) {
    if (!fine) throw std::invalid_argument(what);
}

// Python's side of Blocks: owns the arrays, shows them as NumPy arrays.
class BlockArrays;

// What each room adds to the module.
void bind_blocks_class(nb::module_& module);  // Blocks, Pool, levels
void bind_entropy(nb::module_& module);
void bind_motion(nb::module_& module);
void bind_blocks(nb::module_& module);
void bind_pictures(nb::module_& module);
void bind_prior(nb::module_& module);
void bind_conv(nb::module_& module);

}  // namespace sc
