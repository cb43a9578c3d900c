// SPDX-License-Identifier: Apache-2.0
// Products of bytes by the processor's matrix tiles (AMX): sixteen rows of 64 bytes meet sixteen fours
// of inputs of sixteen outputs. Exact, as all products of bytes here.
#pragma once

#include "kernels/level.hpp"

#if defined(SC_TILES)

#include <immintrin.h>

namespace sc::SC_LEVEL {

constexpr int TILE_SIDE = 16;       // rows, or outputs
constexpr int TILE_BYTES = 64;      // of a row
constexpr int TILE_QUADS = 16;      // fours of inputs in a row
constexpr ptrdiff_t SUMS_BYTES = 4; // of a sum

// Tiles 0 to 3 hold sums, 4 and 5 rows, 6 and 7 weights. All have sixteen rows, but the first `rows`
// where there are fewer.
struct alignas(64) TileShapes {
    uint8_t palette = 1;
    uint8_t start = 0;
    uint8_t reserved[14] = {};
    uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};

    explicit TileShapes(int few = TILE_SIDE) {
        for (int k = 0; k < 6; ++k) rows[k] = static_cast<uint8_t>(few);
    }
};

// While one lives, tiles have its shapes.
class Tiles {
  public:
    explicit Tiles(int few = TILE_SIDE) {
        const TileShapes shapes(few);
        _tile_loadconfig(&shapes);
    }
    ~Tiles() { _tile_release(); }
    Tiles(const Tiles&) = delete;
    Tiles& operator=(const Tiles&) = delete;
};

SC_INLINE void clear_sums() {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

// Add 64 bytes of inputs of sixteen rows (of 32 where TWO_ROWS) to the sums of sixteen outputs (32
// where TWO). Weights: fours of inputs are `pitch` bytes apart, the second outputs follow the first.
template <bool TWO_ROWS, bool TWO, bool SIGNED = false>
SC_INLINE void add_tile(const uint8_t* rows, ptrdiff_t step, const int8_t* weights, ptrdiff_t pitch) {
    _tile_loadd(4, rows, step);
    _tile_loadd(6, weights, pitch);
    if constexpr (SIGNED)
        _tile_dpbssd(0, 4, 6);
    else
        _tile_dpbusd(0, 4, 6);
    if constexpr (TWO) {
        _tile_loadd(7, weights + TILE_BYTES, pitch);
        if constexpr (SIGNED)
            _tile_dpbssd(1, 4, 7);
        else
            _tile_dpbusd(1, 4, 7);
    }
    if constexpr (TWO_ROWS) {
        _tile_loadd(5, rows + TILE_SIDE * step, step);
        if constexpr (SIGNED)
            _tile_dpbssd(2, 5, 6);
        else
            _tile_dpbusd(2, 5, 6);
    }
    if constexpr (TWO_ROWS && TWO) {
        if constexpr (SIGNED)
            _tile_dpbssd(3, 5, 7);
        else
            _tile_dpbusd(3, 5, 7);
    }
}

// `outputs`: sums from one row to the next.
template <bool TWO_ROWS, bool TWO>
SC_INLINE void store_tiles(int32_t* sums, int outputs) {
    const ptrdiff_t pitch = outputs * SUMS_BYTES;
    _tile_stored(0, sums, pitch);
    if constexpr (TWO) _tile_stored(1, sums + TILE_SIDE, pitch);
    if constexpr (TWO_ROWS) {
        int32_t* below = sums + TILE_SIDE * outputs;
        _tile_stored(2, below, pitch);
        if constexpr (TWO) _tile_stored(3, below + TILE_SIDE, pitch);
    }
}

}  // namespace sc::SC_LEVEL

#endif
