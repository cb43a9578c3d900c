// SPDX-License-Identifier: Apache-2.0
// The error of a payload that no encoder wrote.
#pragma once

#include <stdexcept>

namespace sc {

struct Damaged : std::runtime_error {
    // `what`: which part of the payload, as in "its blocks".
    explicit Damaged(const char* what) : std::runtime_error(what) {}
};

}  // namespace sc
