// SPDX-License-Identifier: Apache-2.0
#include "motion/params.hpp"

#include <stdexcept>

namespace sc {

SearchEffort effort_of(std::string_view name) {
    SearchEffort effort;
    if (name == "normal") return effort;
    if (name == "fast") {
        effort.wide_step = 8;
        effort.most_moves = 8;
        effort.quarters_from = 120;
        effort.intra_from = 160;
        return effort;
    }
    if (name == "best") {
        effort.wide_step = 32;
        effort.refine = true;
        effort.quarters_from = 0;
        effort.intra_from = 0;
        return effort;
    }
    throw std::invalid_argument("an effort is fast, normal or best");
}

}  // namespace sc
