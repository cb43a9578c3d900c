// SPDX-License-Identifier: Apache-2.0
// Motion compensation in quarter samples: integers only, equal on every machine.
//
// Luma uses the 8-tap filters of HEVC (ITU-T H.265, table 8-11), rows first without rounding, then
// columns, then one rounding shift. Chroma vectors have eighth samples of their own plane and use
// the 4-tap filters of table 8-12. Outside a picture its edge samples repeat.
#pragma once

#include "grid.hpp"
#include "kernels/pictures.hpp"

namespace sc {

inline constexpr int PAD_PX = 48;                 // how far a reference is thought to be padded
inline constexpr int REACH_PX = PAD_PX - 8 - 16;  // a 16x16 block may start this far outside

// Predict size x size samples of luma (size 16 or 8) at (y, x) of the picture, moved by a vector,
// from a plane WITHOUT padding: samples outside are made of its edges where they are needed, so
// that no vector reads beyond the plane.
void luma_block(Grid<const u8> reference, int y, int x, Vector by, int size, u8* out,
                std::ptrdiff_t pitch);

// The same for both chroma planes (size 8 or 4) at (y, x) of them; the vector is luma's, so in 1/8
// here.
void chroma_block(const ConstPlanes& reference, int y, int x, Vector by, int size,
                  const ChromaTo& to);

// Some rows of such blocks, for those who mix only a part.
void luma_part(Grid<const u8> reference, int y, int x, Vector by, int rows, int columns, u8* out,
               std::ptrdiff_t pitch);
void chroma_part(const ConstPlanes& reference, int y, int x, Vector by, int rows, int columns,
                 const ChromaTo& to);

}  // namespace sc
