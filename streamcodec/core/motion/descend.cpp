// SPDX-License-Identifier: Apache-2.0
#include "motion/descend.hpp"

namespace sc {

namespace {

struct Direction {
    int dy, dx;
};
constexpr Direction AROUND[8] = {{1, 0},   {-1, 0}, {0, 1},  {0, -1},
                                 {-1, -1}, {1, -1}, {-1, 1}, {1, 1}};
constexpr int OPPOSITE[8] = {1, 0, 3, 2, 7, 6, 5, 4};
constexpr int NOWHERE = -1;
constexpr int WHOLE_SAMPLE = 4;

// Try the first `ways` neighbours at this distance but the one that it came from; returns the
// direction of the best, or NOWHERE.
int look_around(const BandSearch& band, Walker& walker, int step, int ways, int came_from) {
    const Vector centre = walker.at;
    Vector tries[8];
    int rates[8], directions[8];
    const u8* others[8];
    int count = 0;
    bool all_there = true;
    for (int k = 0; k < ways; ++k) {
        if (k == came_from) continue;
        const int dy = centre.dy + step * AROUND[k].dy, dx = centre.dx + step * AROUND[k].dx;
        if (!walker.limits.hold(dy, dx)) continue;
        const int rate =
            band.in_difference(band.prices.of(dy - walker.from.dy, dx - walker.from.dx));
        if (rate >= walker.cost) continue;
        tries[count] = {static_cast<i16>(dy), static_cast<i16>(dx)};
        rates[count] = rate;
        directions[count] = k;
        all_there = all_there && band.shifted.has(tries[count]);
        others[count] = band.shifted.known(walker.y, walker.x, tries[count]);
        ++count;
    }
    int best = NOWHERE;
    const auto weigh = [&](int k, int difference) {
        const int cost = rates[k] + difference;
        if (cost >= walker.cost) return;
        walker.cost = cost;
        walker.at = tries[k];
        best = directions[k];
    };
    if (!all_there) {
        for (int k = 0; k < count; ++k)
            weigh(k, band.shifted.sad(walker.y, walker.x, walker.size, tries[k], walker.samples));
        return best;
    }
    for (int first = 0; first < count; first += 4) {
        const int left = std::min(count - first, 4);
        for (int k = left; k < 4 && left > 1; ++k) {
            if (first + k < 8) others[first + k] = others[first];
        }
        int found[4];
        const auto pitch = band.shifted.pitch();
        if (left == 1) {
            found[0] = walker.size == 16
                           ? band.kernels.sad16(walker.samples, others[first], pitch)
                           : band.kernels.sad8(walker.samples, others[first], pitch);
        } else if (walker.size == 16) {
            band.kernels.sad16_of_four(walker.samples, others + first, pitch, found);
        } else {
            band.kernels.sad8_of_four(walker.samples, others + first, pitch, found);
        }
        for (int k = 0; k < left; ++k) weigh(first + k, found[k]);
    }
    return best;
}

}  // namespace

void descend(const BandSearch& band, Walker& walker, int first_step) {
    const auto& effort = band.params.effort;
    int step = first_step;
    bool shifts = (walker.at.dy | walker.at.dx) & 3;
    for (; step; step >>= 1) {
        shifts = shifts || step < WHOLE_SAMPLE;
        int came_from = NOWHERE;
        for (int moves = 0; moves < effort.most_moves; ++moves) {
            if (shifts) {
                const int reach = (step + 3) >> 2;
                band.shifted.need(walker.y + (walker.at.dy >> 2) - reach,
                                  walker.x + (walker.at.dx >> 2) - reach,
                                  walker.size + 2 * reach, walker.size + 2 * reach);
            }
            const bool whole = step >= WHOLE_SAMPLE;
            const int ways = whole || !effort.diagonals ? 4 : 8;
            const int taken = look_around(band, walker, step, ways, came_from);
            if (taken == NOWHERE || !whole) break;
            came_from = OPPOSITE[taken];
        }
    }
}

}  // namespace sc
