// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sc {

struct PriorKernels {
    int placeholder;
};

}  // namespace sc
