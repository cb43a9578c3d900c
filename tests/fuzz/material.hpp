// SPDX-License-Identifier: Apache-2.0
// What both fuzz targets need: what a packet says of a picture, fresh contexts, plausible tables.
#pragma once

#include <cstdlib>
#include <vector>

#include "contexts.hpp"
#include "entropy/symbols.hpp"
#include "grid.hpp"

namespace sc {

constexpr std::size_t KEY_HEADER = 14, INTER_HEADER = 6, CRC = 4;

inline void require(bool fine) {
    if (!fine) std::abort();
}

// The same numbers for the same input.
struct Noise {
    u32 state;
    u32 operator()() { return state = state * 1664525 + 1013904223, state >> 16; }
};

// Owns what a packet says of each block.
struct SaidBlocks {
    int rows, columns;
    std::vector<u8> modes, counts, splits;
    std::vector<i8> intra_modes;
    std::vector<Vector> field;

    SaidBlocks(int height, int width)
        : rows(height), columns(width), modes(height * width), counts(modes), splits(modes),
          intra_modes(4 * height * width, -1), field(4 * height * width) {}
    Blocks view() {
        return {{modes.data(), rows, columns}, {field.data(), 2 * rows, 2 * columns},
                {intra_modes.data(), 2 * rows, 2 * columns}, {counts.data(), rows, columns},
                {splits.data(), rows, columns}};
    }
    bool operator==(const SaidBlocks&) const = default;
};

// Contexts before anything was coded: the same weight for each of a bit's inputs.
inline std::vector<Context> fresh_contexts() {
    std::vector<Context> contexts(CONTEXTS);
    constexpr u32 EQUAL = (1u << 31) + (1u << 16) / INPUTS;
    for (int name = 0; name < FAMILIES; ++name) {
        const int first = BASES.first[name][3], count = MIXED[name].sizes[3] * INPUTS;
        for (int k = first; k < first + count; ++k) {
            contexts[k] = {static_cast<u16>(EQUAL >> 16), static_cast<u16>(EQUAL & 0xFFFF)};
        }
    }
    return contexts;
}

// Tables from almost sure of a zero to flat.
struct Tables {
    u16 rows[TABLES][MAGNITUDES + 1];
    Tables() {
        for (int table = 0; table < TABLES; ++table) {
            const u32 zero = TOTAL - (TOTAL - MAGNITUDES) * (table + 1) / TABLES;
            rows[table][0] = 0;
            for (u32 k = 0; k < MAGNITUDES; ++k) {
                rows[table][k + 1] = static_cast<u16>(zero + (TOTAL - zero) * k / ESCAPE);
            }
        }
    }
};

}  // namespace sc
