// SPDX-License-Identifier: Apache-2.0
#include "pictures/compensate.hpp"

#include "kernels.hpp"
#include "pictures/edges.hpp"

namespace sc {

namespace {
constexpr std::size_t ROOM = WINDOW_PX * 32;
constexpr Margin LUMA_MARGIN{4, 4};  // what the kernels may read; the filters need 3 and 4
constexpr Margin CHROMA_MARGIN{1, 2};
}  // namespace

void luma_part(Grid<const u8> reference, int y, int x, Vector by, int rows, int columns, u8* out,
               std::ptrdiff_t pitch) {
    u8 copy[ROOM];
    const int fy = by.dy & 3;
    const int fx = by.dx & 3;
    const Window seen = window(reference, y + (by.dy >> 2), x + (by.dx >> 2), rows, columns,
                               fy ? LUMA_MARGIN : Margin{}, fx ? LUMA_MARGIN : Margin{}, copy);
    kernels().pictures->luma(seen.at, seen.pitch, fy, fx, rows, columns, out, pitch);
}

void chroma_part(const ConstPlanes& reference, int y, int x, Vector by, int rows, int columns,
                 const ChromaTo& to) {
    u8 copy[2][ROOM];
    const int fy = by.dy & 7;
    const int fx = by.dx & 7;
    ChromaFrom from;
    for (int k = 0; k < 2; ++k) {
        const Window seen = window(k ? reference.v : reference.u, y + (by.dy >> 3),
                                   x + (by.dx >> 3), rows, columns, fy ? CHROMA_MARGIN : Margin{},
                                   fx ? CHROMA_MARGIN : Margin{}, copy[k]);
        from.at[k] = seen.at;
        from.pitch[k] = seen.pitch;
    }
    kernels().pictures->chroma(from, fy, fx, rows, columns, to);
}

void luma_block(Grid<const u8> reference, int y, int x, Vector by, int size, u8* out,
                std::ptrdiff_t pitch) {
    if (size != 16 && size != 8) throw Outside();
    luma_part(reference, y, x, by, size, size, out, pitch);
}

void chroma_block(const ConstPlanes& reference, int y, int x, Vector by, int size,
                  const ChromaTo& to) {
    if (size != 8 && size != 4) throw Outside();
    chroma_part(reference, y, x, by, size, size, to);
}

}  // namespace sc
