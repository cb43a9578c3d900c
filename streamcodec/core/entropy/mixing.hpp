// SPDX-License-Identifier: Apache-2.0
// Several contexts, one bit: their opinions are mixed, and the mixture learns whom to trust.
#pragma once

#include <span>

#include "grid.hpp"

namespace sc {

// A row of the (CONTEXTS, 2) uint16 array: two estimates of P(bit = 1) in 1/65536, one quick and
// one slow. Weights live in such rows, too: high and low half of the weight plus 2**31.
struct Context {
    u16 quick = 32768;
    u16 slow = 32768;
};
static_assert(sizeof(Context) == 4);
using Contexts = std::span<Context>;
using ConstContexts = std::span<const Context>;

inline constexpr int WAYS = 3;  // contexts that are mixed
inline constexpr int INPUTS = 2 * WAYS;

}  // namespace sc
