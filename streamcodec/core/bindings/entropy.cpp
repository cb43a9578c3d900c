// SPDX-License-Identifier: Apache-2.0
#include "bindings/arrays.hpp"
#include "bindings/block_arrays.hpp"
#include "pool.hpp"

namespace sc {

void bind_entropy(nb::module_& module) { (void)module; }

}  // namespace sc
