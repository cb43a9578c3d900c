// SPDX-License-Identifier: Apache-2.0
#include "motion/params.hpp"

#include <stdexcept>

namespace sc {

SearchEffort effort_of(std::string_view name) {
    SearchEffort effort;
    if (name == "normal") return effort;
    if (name == "fast") {
        effort.still_q4 = 28;
        effort.most_moves = 4;
        effort.rough_quarters = true;
        effort.diagonals = false;
        effort.near_step = 2;
        effort.quarters_from = 300;
        effort.alike_from = 10'000;
        effort.intra_from = 600;
        effort.square_tries = 4;
        effort.weigh_within = 6;
        effort.first_prices = true;
        return effort;
    }
    if (name == "best") {
        effort.still_q4 = 12;
        effort.wide_step = 32;
        effort.near_step = 16;
        effort.refine_rounds = 2;
        effort.quarters_from = 30;
        effort.alike_from = 30;
        effort.intra_from = 50;
        return effort;
    }
    throw std::invalid_argument("an effort is fast, normal or best");
}

}  // namespace sc
