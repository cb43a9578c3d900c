// SPDX-License-Identifier: Apache-2.0
// The place of each channel among the coefficients of its transform.
//
// A block's 384 coefficients in the order of transforms: luma as one 16x16, or quarter after
// quarter, each as one 8x8 or as four 4x4; then U and V.
#pragma once

#include "blocks/layout.hpp"
#include "blocks/transform.hpp"

namespace sc {

using Places = TableOf<u16, 384>;

// Quarter of the luma whose 8x8 transform fills a channel; 4 for chroma.
constexpr int quarter_of(int channel) {
    const int at = ORDER[channel];
    return at >= 256 ? 4 : 2 * (at >> 4 & 1) + (at & 1);
}
constexpr int place_in_eight(int at) {
    return 64 * (2 * (at >> 4 & 1) + (at & 1)) + 8 * (at >> 5) + (at >> 1 & 7);
}
constexpr int place_in_four(int at) {
    const int u = at >> 5, v = at >> 1 & 7;
    return 64 * (2 * (at >> 4 & 1) + (at & 1)) + 16 * (2 * (u & 1) + (v & 1)) + 4 * (u >> 1) +
           (v >> 1);
}

// Of blocks with one transform, with four of 8x8, and with sixteen of 4x4.
inline constexpr Places WHOLE_PLACES = [] {
    Places places{};
    for (int c = 0; c < 384; ++c) places.at[c] = ORDER[c];
    return places;
}();
inline constexpr Places EIGHT_PLACES = [] {
    Places places{};
    for (int c = 0; c < 384; ++c) {
        places.at[c] = static_cast<u16>(is_chroma(c) ? ORDER[c] : place_in_eight(ORDER[c]));
    }
    return places;
}();
inline constexpr Places FOUR_PLACES = [] {
    Places places{};
    for (int c = 0; c < 384; ++c) {
        places.at[c] = static_cast<u16>(is_chroma(c) ? ORDER[c] : place_in_four(ORDER[c]));
    }
    return places;
}();

inline constexpr TableOf<u8, 384> QUARTER_OF = [] {
    TableOf<u8, 384> table{};
    for (int c = 0; c < 384; ++c) table.at[c] = static_cast<u8>(quarter_of(c));
    return table;
}();

// The channel at each place.
constexpr Places inverted(const Places& places) {
    Places channels{};
    for (int c = 0; c < 384; ++c) channels.at[places[c]] = static_cast<u16>(c);
    return channels;
}
inline constexpr Places EIGHT_CHANNELS = inverted(EIGHT_PLACES);
inline constexpr Places FOUR_CHANNELS = inverted(FOUR_PLACES);

}  // namespace sc
