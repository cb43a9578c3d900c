// SPDX-License-Identifier: Apache-2.0
// Blocks moved by fractions of a sample, and the mixing of two predictions.
#include "kernels/compensate.hpp"

#include <string.h>

#include "kernels/interpolate.hpp"
#include "kernels/pictures.hpp"

namespace sc::SC_LEVEL {

namespace {

template <int COLUMNS>
SC_INLINE void copied(const uint8_t* from, ptrdiff_t from_pitch, int rows, uint8_t* out,
                      ptrdiff_t out_pitch) {
    for (int i = 0; i < rows; ++i) memcpy(out + i * out_pitch, from + i * from_pitch, COLUMNS);
}

// The share of another prediction, in 64ths, falls with the distance from the side: 1 in 4, 8, 16,
// 32 in luma, 1 in 4, 16 in chroma: (m + 2^(s - 1)) >> s is (m * 2^(6 - s) + 32) >> 6. From the left
// or above, then from the right or below; chroma's four serve both planes.
constexpr int16_t LUMA_SHARES[2][8] = {{16, 8, 4, 2, 0, 0, 0, 0}, {0, 0, 0, 0, 2, 4, 8, 16}};
constexpr int16_t CHROMA_SHARES[2][8] = {{16, 4, 0, 0, 16, 4, 0, 0}, {0, 0, 4, 16, 0, 0, 4, 16}};

SC_INLINE Eight::V mixed(Eight::V own, Eight::V other, Eight::V shares) {
    const auto move = Eight::times16(Eight::sub16(other, own), shares);
    return Eight::add16(own, Eight::right16(Eight::add16(move, Eight::words(32)), 6));
}

}  // namespace

void luma(const uint8_t* from, ptrdiff_t from_pitch, int fy, int fx, int rows, int columns,
          uint8_t* out, ptrdiff_t out_pitch) {
    const int16_t* down = fy ? LUMA_TAPS[fy] : nullptr;
    const int16_t* across = fx ? LUMA_TAPS[fx] : nullptr;
    if (!fy && !fx) {
        if (columns == 16) {
            copied<16>(from, from_pitch, rows, out, out_pitch);
        } else {
            copied<8>(from, from_pitch, rows, out, out_pitch);
        }
        return;
    }
#if defined(SC_LANES_X86) && defined(__AVX2__)
    if (columns == 16) {
        filter_block(LumaSixteen{{}, from, from_pitch, out, out_pitch}, rows, down, across);
        return;
    }
#endif
    for (int x = 0; x < columns; x += 8) {
        filter_block(LumaEight{{}, from + x, from_pitch, out + x, out_pitch}, rows, down, across);
    }
}

void chroma(const ChromaFrom& from, int fy, int fx, int rows, int columns, const ChromaTo& to) {
    const int16_t* down = fy ? CHROMA_TAPS[fy] : nullptr;
    const int16_t* across = fx ? CHROMA_TAPS[fx] : nullptr;
    const bool whole = !fy && !fx;
    if (columns == 4 && !whole) {
        filter_block(ChromaFour{{},
                                {from.at[0], from.at[1]},
                                {from.pitch[0], from.pitch[1]},
                                {to.at[0], to.at[1]},
                                {to.pitch[0], to.pitch[1]}},
                     rows, down, across);
        return;
    }
    for (int k = 0; k < 2; ++k) {
        if (!whole) {
            filter_block(ChromaEight{{}, from.at[k], from.pitch[k], to.at[k], to.pitch[k]}, rows,
                         down, across);
        } else if (columns == 8) {
            copied<8>(from.at[k], from.pitch[k], rows, to.at[k], to.pitch[k]);
        } else {
            copied<4>(from.at[k], from.pitch[k], rows, to.at[k], to.pitch[k]);
        }
    }
}

void blend_luma(uint8_t* cell, ptrdiff_t pitch, int side, const uint8_t* other,
                ptrdiff_t other_pitch) {
    const bool far = side >= 2;
    const bool in_rows = side & 1;
    auto shares = Eight::load_words(LUMA_SHARES[far]);
    const int first = in_rows && far ? 4 : 0;
    const int last = in_rows && !far ? 4 : 8;
    for (int i = first; i < last; ++i) {
        if (in_rows) shares = Eight::words(LUMA_SHARES[far][i]);
        uint8_t* own = cell + i * pitch;
        Eight::put(own, mixed(Eight::wide(own), Eight::wide(other + i * other_pitch), shares));
    }
}

void blend_chroma(const ChromaTo& cell, int side, const ChromaFrom& other) {
    const bool far = side >= 2;
    const bool in_rows = side & 1;
    auto shares = Eight::load_words(CHROMA_SHARES[far]);
    const int first = in_rows && far ? 2 : 0;
    const int last = in_rows && !far ? 2 : 4;
    for (int i = first; i < last; ++i) {
        if (in_rows) shares = Eight::words(CHROMA_SHARES[far][i]);
        uint8_t* u = cell.at[0] + i * cell.pitch[0];
        uint8_t* v = cell.at[1] + i * cell.pitch[1];
        const auto own = Eight::zip32_low(Eight::load4(u), Eight::load4(v));
        const auto theirs = Eight::zip32_low(Eight::load4(other.at[0] + i * other.pitch[0]),
                                             Eight::load4(other.at[1] + i * other.pitch[1]));
        uint8_t done[8];
        Eight::put(done, mixed(Eight::wide_low(own), Eight::wide_low(theirs), shares));
        memcpy(u, done, 4);
        memcpy(v, done + 4, 4);
    }
}

}  // namespace sc::SC_LEVEL
