// SPDX-License-Identifier: Apache-2.0
// Blocks moved by fractions of a sample, and the mixing of two predictions.
#include "kernels/compensate.hpp"

#include <string.h>

#include "kernels/pictures.hpp"

namespace sc::SC_LEVEL {

namespace {

template <int COLUMNS>
SC_INLINE void copied(const uint8_t* from, ptrdiff_t from_pitch, int rows, uint8_t* out,
                      ptrdiff_t out_pitch) {
    for (int i = 0; i < rows; ++i) memcpy(out + i * out_pitch, from + i * from_pitch, COLUMNS);
}

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
SC_INLINE void block(const uint8_t* from, ptrdiff_t from_pitch, const int16_t* down,
                     const int16_t* across, int rows, uint8_t* out, ptrdiff_t out_pitch) {
    if (down == nullptr && across == nullptr) {
        copied<COLUMNS>(from, from_pitch, rows, out, out_pitch);
    } else if (down == nullptr) {
        one_way<COLUMNS, TAPS>(from, from_pitch, 1, across, rows, out, out_pitch);
    } else if (across == nullptr) {
        one_way<COLUMNS, TAPS>(from, from_pitch, from_pitch, down, rows, out, out_pitch);
    } else {
        two_ways<COLUMNS, TAPS>(from, from_pitch, down, across, rows, out, out_pitch);
    }
}

// The share of another prediction falls with the distance k from the side: 1 in 2^(2 + k) in luma,
// 1 in 2^(2 + 2k) in chroma.
template <int SIZE>
SC_INLINE void mix(uint8_t* cell, ptrdiff_t pitch, int side, const uint8_t* other,
                   ptrdiff_t other_pitch) {
    constexpr int HALF = SIZE / 2;
    constexpr int FASTER = SIZE == 8 ? 1 : 2;
    if (side & 1) {
        for (int k = 0; k < HALF; ++k) {
            const int at = side < 2 ? k : SIZE - 1 - k;
            const int shift = 2 + FASTER * k;
            uint8_t* __restrict own = cell + at * pitch;
            for (int m = 0; m < SIZE; ++m) {
                const int move = other[at * other_pitch + m] - own[m] + (1 << (shift - 1));
                own[m] = static_cast<uint8_t>(own[m] + (move >> shift));
            }
        }
        return;
    }
    // A multiplication stands for the shift, so that a row is done at once: m >> s is
    // (m * 2^(6 - s)) >> 6.
    int16_t scale[SIZE] = {};
    for (int k = 0; k < HALF; ++k) {
        scale[side < 2 ? k : SIZE - 1 - k] = static_cast<int16_t>(64 >> (2 + FASTER * k));
    }
    for (int i = 0; i < SIZE; ++i) {
        uint8_t* __restrict own = cell + i * pitch;
        const uint8_t* theirs = other + i * other_pitch;
        for (int m = 0; m < SIZE; ++m) {
            const int16_t moved = static_cast<int16_t>(
                static_cast<int16_t>(static_cast<int16_t>(theirs[m] - own[m]) * scale[m]) + 32);
            own[m] = static_cast<uint8_t>(own[m] + (moved >> 6));
        }
    }
}

}  // namespace

void luma(const uint8_t* from, ptrdiff_t from_pitch, int fy, int fx, int rows, int columns,
          uint8_t* out, ptrdiff_t out_pitch) {
    const int16_t* down = fy ? LUMA_TAPS[fy] : nullptr;
    const int16_t* across = fx ? LUMA_TAPS[fx] : nullptr;
    if (columns == 16) {
        block<16, 8>(from, from_pitch, down, across, rows, out, out_pitch);
    } else {
        block<8, 8>(from, from_pitch, down, across, rows, out, out_pitch);
    }
}

void chroma(const uint8_t* from, ptrdiff_t from_pitch, int fy, int fx, int rows, int columns,
            uint8_t* out, ptrdiff_t out_pitch) {
    const int16_t* down = fy ? CHROMA_TAPS[fy] : nullptr;
    const int16_t* across = fx ? CHROMA_TAPS[fx] : nullptr;
    if (columns == 8) {
        block<8, 4>(from, from_pitch, down, across, rows, out, out_pitch);
    } else {
        block<4, 4>(from, from_pitch, down, across, rows, out, out_pitch);
    }
}

void blend(uint8_t* cell, ptrdiff_t pitch, int size, int side, const uint8_t* other,
           ptrdiff_t other_pitch) {
    if (size == 8) {
        mix<8>(cell, pitch, side, other, other_pitch);
    } else {
        mix<4>(cell, pitch, side, other, other_pitch);
    }
}

}  // namespace sc::SC_LEVEL
