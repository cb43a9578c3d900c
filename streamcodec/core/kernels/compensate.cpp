// SPDX-License-Identifier: Apache-2.0
// Blocks moved by fractions of a sample, and the mixing of two predictions.
#include "kernels/compensate.hpp"

#include <string.h>

#include "kernels/pictures.hpp"

#ifdef __SSE4_1__
#include "kernels/lanes.hpp"
#endif

namespace sc::SC_LEVEL {

namespace {

template <int COLUMNS>
SC_INLINE void copied(const uint8_t* from, ptrdiff_t from_pitch, int rows, uint8_t* out,
                      ptrdiff_t out_pitch) {
    for (int i = 0; i < rows; ++i) memcpy(out + i * out_pitch, from + i * from_pitch, COLUMNS);
}

#ifndef __SSE4_1__

// One direction alone: TAPS samples `apart` from one another. Sums fit 16 bits (at most 88 * 255).
template <int COLUMNS, int TAPS>
SC_INLINE void one_way(const uint8_t* from, ptrdiff_t from_pitch, ptrdiff_t apart,
                       const int16_t* taps, int rows, uint8_t* __restrict out,
                       ptrdiff_t out_pitch) {
    for (int i = 0; i < rows; ++i) {
        const uint8_t* row = from + i * from_pitch - (TAPS / 2 - 1) * apart;
        int16_t sums[COLUMNS];
        for (int j = 0; j < COLUMNS; ++j) sums[j] = 32;
        for (int k = 0; k < TAPS; ++k) {
            const int16_t tap = taps[k];
            const uint8_t* at = row + k * apart;
            for (int j = 0; j < COLUMNS; ++j) {
                sums[j] = static_cast<int16_t>(sums[j] + static_cast<int16_t>(at[j] * tap));
            }
        }
        for (int j = 0; j < COLUMNS; ++j) out[i * out_pitch + j] = sample(sums[j] >> 6);
    }
}

// Rows first without rounding, then columns, then one shift.
template <int COLUMNS, int TAPS>
SC_INLINE void two_ways(const uint8_t* from, ptrdiff_t from_pitch, const int16_t* down,
                        const int16_t* across, int rows, uint8_t* __restrict out,
                        ptrdiff_t out_pitch) {
    int16_t wide[16 + TAPS - 1][COLUMNS];
    from -= (TAPS / 2 - 1) * (from_pitch + 1);
    for (int i = 0; i < rows + TAPS - 1; ++i) {
        int16_t sums[COLUMNS] = {};
        for (int k = 0; k < TAPS; ++k) {
            const int16_t tap = across[k];
            const uint8_t* at = from + i * from_pitch + k;
            for (int j = 0; j < COLUMNS; ++j) {
                sums[j] = static_cast<int16_t>(sums[j] + static_cast<int16_t>(at[j] * tap));
            }
        }
        memcpy(wide[i], sums, sizeof sums);
    }
    for (int i = 0; i < rows; ++i) {
        int32_t sums[COLUMNS];
        for (int j = 0; j < COLUMNS; ++j) sums[j] = 2048;
        for (int k = 0; k < TAPS; ++k) {
            const int16_t tap = down[k];
            for (int j = 0; j < COLUMNS; ++j) sums[j] += wide[i + k][j] * tap;
        }
        for (int j = 0; j < COLUMNS; ++j) out[i * out_pitch + j] = sample(sums[j] >> 12);
    }
}

template <int COLUMNS, int TAPS>
SC_INLINE void fractions(const uint8_t* from, ptrdiff_t from_pitch, const int16_t* down,
                         const int16_t* across, int rows, uint8_t* out, ptrdiff_t out_pitch) {
    if (down == nullptr) {
        one_way<COLUMNS, TAPS>(from, from_pitch, 1, across, rows, out, out_pitch);
    } else if (across == nullptr) {
        one_way<COLUMNS, TAPS>(from, from_pitch, from_pitch, down, rows, out, out_pitch);
    } else {
        two_ways<COLUMNS, TAPS>(from, from_pitch, down, across, rows, out, out_pitch);
    }
}

#endif

// The share of another prediction falls with the distance k from the side: 1 in 2^(2 + k) in luma,
// 1 in 2^(2 + 2k) in chroma. A multiplication stands for the shift, so that a row is done at once:
// (m + 2^(s - 1)) >> s is (m * 2^(6 - s) + 32) >> 6. Shares in 64ths by sample, of which a window
// of eight (four) is taken:
constexpr int16_t LUMA_SHARES[8] = {16, 8, 4, 2, 0, 0, 0, 0};
constexpr int16_t CHROMA_SHARES[4] = {16, 4, 0, 0};

template <int SIZE>
SC_INLINE void mix(uint8_t* __restrict cell, ptrdiff_t pitch, int side,
                   const uint8_t* __restrict other, ptrdiff_t other_pitch) {
    const int16_t* shares = SIZE == 8 ? LUMA_SHARES : CHROMA_SHARES;
    const bool in_rows = side & 1;
    const bool far = side >= 2;
    const int first = in_rows && far ? SIZE / 2 : 0;
    const int last = in_rows && !far ? SIZE / 2 : SIZE;
    for (int i = first; i < last; ++i) {
        int16_t scale[SIZE];
        for (int j = 0; j < SIZE; ++j) {
            const int k = in_rows ? i : j;
            scale[j] = shares[far ? SIZE - 1 - k : k];
        }
        uint8_t* own = cell + i * pitch;
        const uint8_t* theirs = other + i * other_pitch;
        for (int j = 0; j < SIZE; ++j) {
            const int16_t moved = static_cast<int16_t>((theirs[j] - own[j]) * scale[j] + 32);
            own[j] = static_cast<uint8_t>(own[j] + (moved >> 6));
        }
    }
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
#ifdef __SSE4_1__
#ifdef __AVX2__
    if (columns == 16) {
        filter_block(LumaSixteen{from, from_pitch, out, out_pitch}, rows, down, across);
        return;
    }
#endif
    for (int x = 0; x < columns; x += 8) {
        filter_block(LumaEight{{}, from + x, from_pitch, out + x, out_pitch}, rows, down, across);
    }
#else
    if (columns == 16) {
        fractions<16, 8>(from, from_pitch, down, across, rows, out, out_pitch);
    } else {
        fractions<8, 8>(from, from_pitch, down, across, rows, out, out_pitch);
    }
#endif
}

void chroma(const ChromaFrom& from, int fy, int fx, int rows, int columns, const ChromaTo& to) {
    const int16_t* down = fy ? CHROMA_TAPS[fy] : nullptr;
    const int16_t* across = fx ? CHROMA_TAPS[fx] : nullptr;
    const bool whole = !fy && !fx;
#ifdef __SSE4_1__
    if (columns == 4 && !whole) {
        filter_block(ChromaFour{{},
                                {from.at[0], from.at[1]},
                                {from.pitch[0], from.pitch[1]},
                                {to.at[0], to.at[1]},
                                {to.pitch[0], to.pitch[1]}},
                     rows, down, across);
        return;
    }
#endif
    for (int k = 0; k < 2; ++k) {
        if (whole && columns == 8) {
            copied<8>(from.at[k], from.pitch[k], rows, to.at[k], to.pitch[k]);
        } else if (whole) {
            copied<4>(from.at[k], from.pitch[k], rows, to.at[k], to.pitch[k]);
        } else {
#ifdef __SSE4_1__
            filter_block(ChromaEight{{{}, from.at[k], from.pitch[k], to.at[k], to.pitch[k]}}, rows,
                         down, across);
#else
            if (columns == 8) {
                fractions<8, 4>(from.at[k], from.pitch[k], down, across, rows, to.at[k],
                                to.pitch[k]);
            } else {
                fractions<4, 4>(from.at[k], from.pitch[k], down, across, rows, to.at[k],
                                to.pitch[k]);
            }
#endif
        }
    }
}

void blend_luma(uint8_t* cell, ptrdiff_t pitch, int side, const uint8_t* other,
                ptrdiff_t other_pitch) {
    mix<8>(cell, pitch, side, other, other_pitch);
}

void blend_chroma(const ChromaTo& cell, int side, const ChromaFrom& other) {
    for (int k = 0; k < 2; ++k) {
        mix<4>(cell.at[k], cell.pitch[k], side, other.at[k], other.pitch[k]);
    }
}

}  // namespace sc::SC_LEVEL
