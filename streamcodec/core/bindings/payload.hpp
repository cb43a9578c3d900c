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
    Said said;
};

class PayloadReader {
  public:
    explicit PayloadReader(const nanobind::bytes& payload)
        : reader({static_cast<const u8*>(payload.data()), payload.size()}) {}
    RansReader reader;
    Said said;
};

}  // namespace sc
