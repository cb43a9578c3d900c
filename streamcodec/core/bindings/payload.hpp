// SPDX-License-Identifier: Apache-2.0
// Python's Writer and Reader: a payload that several rooms write or read in turn.
#pragma once

#include <nanobind/nanobind.h>

#include "entropy/rans.hpp"
#include "syntax.hpp"

namespace sc {

class PayloadWriter {
  public:
    Intervals list;
    KindsSoFar so_far;
};

class PayloadReader {
  public:
    explicit PayloadReader(const nanobind::bytes& payload)
        : reader({static_cast<const u8*>(payload.data()), payload.size()}) {}
    RansReader reader;
    KindsSoFar so_far;
};

}  // namespace sc
