// SPDX-License-Identifier: Apache-2.0
// From a block's symbols to what is added to its prediction: exact, so that every decoder rebuilds
// the same picture.
//
// Dequantised coefficients are in 1/8 of an orthonormal DCT's unit, bases are scaled by 2**12, and
// both passes stay below 2**31 (16 x 65535 x 1448 < 2**31).
#pragma once

#include "grid.hpp"

namespace sc {

inline constexpr int BIAS_Q8 = 10;  // a level stands 10/256 of a step nearer to zero

// A coefficient in 1/8 units: the mean of a falling density lies inside its interval.
int dequantised(int symbol, int step_q3);

// The dequantised coefficients of one block, transform by transform. Zero but between `put` and
// `add_...`, which takes out what was put in.
class Residual {
  public:
    // Symbols of the first `channels` channels.
    void put(const i16* symbols, int channels, const i32* steps_q3, int split);
    // One symbol that is not zero.
    void put(int channel, int symbol, int step_q3, int split);

    // Add to samples whose first is at `out`, clipped: all luma, a quarter (EIGHT), a quarter's 4x4
    // square (FOUR or PLAIN), chroma (plane 0 or 1).
    void add_luma(u8* out, std::ptrdiff_t pitch, int split);
    void add_quarter(u8* out, std::ptrdiff_t pitch, int quarter);
    void add_sixteenth(u8* out, std::ptrdiff_t pitch, int quarter, int part, int kind);
    void add_chroma(u8* out, std::ptrdiff_t pitch, int plane);

  private:
    static constexpr int TRANSFORMS = 18;  // 16 squares of luma (the first also stands for all), U, V

    alignas(32) i32 work_[CHANNELS] = {};
    // How many rows and columns of each transform are in use, 0 where all is zero.
    u8 rows_[TRANSFORMS] = {};
    u8 columns_[TRANSFORMS] = {};
};

}  // namespace sc
