// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sc {

struct PictureKernels {
    int placeholder;
};

}  // namespace sc
