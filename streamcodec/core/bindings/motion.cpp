// SPDX-License-Identifier: Apache-2.0
#include "bindings/arrays.hpp"
#include "bindings/block_arrays.hpp"
#include "pool.hpp"

namespace sc {

void bind_motion(nb::module_& module) { (void)module; }

}  // namespace sc
