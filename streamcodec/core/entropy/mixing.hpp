// SPDX-License-Identifier: Apache-2.0
// Several contexts, one bit: their opinions are mixed, and the mixture learns whom to trust.
//
// Each context gives two inputs, its quick and its slow estimate, in the logistic domain
// (ln(p / (1 - p)) in 1/256). Weights in 1/65536 are moved after every bit along the gradient of
// its price (logistic mixing as in lpaq, M. Mahoney). All in integers: the same on every machine.
//
// Weights live among the contexts, one in a row: the row's two uint16 are its high and low half,
// plus 2**31. So whatever carries contexts carries weights.
#pragma once

#include "entropy/binary.hpp"

namespace sc {

inline constexpr int MIXED_CONTEXTS = 3;  // contexts that are mixed
inline constexpr int INPUTS = 2 * MIXED_CONTEXTS;
inline constexpr int LOGIT_LIMIT = 2047;

extern const i16 STRETCH[4096];                 // logit of (i + 0.5) / 4096
extern const i16 SQUASH[2 * LOGIT_LIMIT + 1];   // and from -2047..2047 back to 1/2**15

// Which rows are mixed for a bit: its contexts, and where its INPUTS weights start.
struct Mixture {
    i32 context[MIXED_CONTEXTS];
    i32 weights;
};

// All throw Outside when a row lies outside the contexts.
void put_mixed(Intervals& out, Contexts contexts, Mixture by, int bit);
int get_mixed(RansState& stream, Contexts contexts, Mixture by);

struct YesNo {
    int yes_q8;  // price in 1/256 bit of a one
    int no_q8;   // and of a zero
};
YesNo mixed_costs(ConstContexts contexts, Mixture by);

}  // namespace sc
