// SPDX-License-Identifier: Apache-2.0
// From a block's symbols to what is added to its prediction: exact, so that every decoder rebuilds
// the same picture.
//
// Dequantised coefficients are in 1/8 of an orthonormal DCT's unit, bases are scaled by 2**12, and
// both passes stay below 2**31 (16 x 65535 x 1448 < 2**31).
#pragma once

#include "grid.hpp"

namespace sc {

inline constexpr int BIAS_Q8 = 10;  // a level is reconstructed 10/256 of a step nearer to zero

// A coefficient in 1/8 units: the mean of a falling density lies inside its interval. The step is
// at most 65535, so that all fits 32 bits.
inline int dequantised(int symbol, int step_q3) {
    constexpr int limit = 65535;
    if (symbol == 0) return 0;
    const int size = (symbol < 0 ? -symbol : symbol) * step_q3 - ((step_q3 * BIAS_Q8) >> 8);
    const int value = size < limit ? size : limit;
    return symbol < 0 ? -value : value;
}

// The dequantised coefficients of one block, transform by transform. Zero but between `put` and
// `add_...`, which takes out what was put in.
class Residual {
  public:
    // Symbols of the first `channels` channels (6, 24, 96 or 384) of a row of 384.
    void put(const i16* symbols, int channels, const i32* steps_q3, int split);
    // The symbols of the listed channels, none of them zero.
    void put(const i16* symbols, const u16* listed, int count, const i32* steps_q3, int split);

    // Add to samples whose first is at `out`, clipped: all luma, a quarter (EIGHT), a quarter's 4x4
    // square (FOUR or PLAIN), chroma (plane 0 or 1).
    void add_luma(u8* out, std::ptrdiff_t pitch, int split);
    void add_quarter(u8* out, std::ptrdiff_t pitch, int quarter);
    void add_sixteenth(u8* out, std::ptrdiff_t pitch, int quarter, int part, int kind);
    void add_chroma(u8* out, std::ptrdiff_t pitch, int plane);

  private:
    alignas(32) i32 work_[CHANNELS] = {};
    // Which rows and columns of each transform are in use. Luma of one transform: 16 rows, then 16
    // columns; of four: 16 bits a quarter, its 8 rows and 8 columns, or its four squares. Chroma:
    // 16 bits a plane, 8 rows and 8 columns.
    u64 luma_ = 0;
    u32 chroma_ = 0;
};

}  // namespace sc
