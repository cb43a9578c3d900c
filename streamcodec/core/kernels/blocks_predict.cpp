// SPDX-License-Identifier: Apache-2.0
// Intra prediction from an edge of 4 * size + 1 samples, lower left to upper right.
#include "kernels/blocks_parts.hpp"
#include "kernels/floats.hpp"

namespace sc::SC_LEVEL {
namespace {

constexpr int8_t ANGLES[35] = {0,   0,   32,  26,  21,  17, 13, 9,  5,  2,   0,   -2,
                               -5,  -9,  -13, -17, -21, -26, -32, -26, -21, -17, -13, -9,
                               -5,  -2,  0,   2,   5,   9,  13, 17, 21, 26,  32};

constexpr int inverse_of(int angle) {  // 8192 / |angle|, rounded
    const int size = angle < 0 ? -angle : angle;
    return size ? (2 * 8192 + size) / (2 * size) : 0;
}

SC_INLINE Bytes low_pairs(Bytes a, Bytes b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
SC_INLINE Bytes high_pairs(Bytes a, Bytes b) {
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                   31);
}

// SIZE x SIZE samples, mirrored at the diagonal. Interleaving a list's halves turns its index by
// one bit: as often as a row's index has bits, and row and column have changed places.
template <int SIZE>
SC_INLINE void transpose(const uint8_t* from, uint8_t* out, ptrdiff_t pitch) {
    if (SIZE == 4) {
        for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < 4; ++j) out[i * pitch + j] = from[4 * j + i];
        }
        return;
    }
    constexpr int COUNT = SIZE * SIZE / 16;
    Bytes all[COUNT], turned[COUNT];
    for (int k = 0; k < COUNT; ++k) all[k] = load<Bytes>(from + 16 * k);
    for (int bit = 1; bit < SIZE; bit *= 2) {
        for (int k = 0; k < COUNT / 2; ++k) {
            turned[2 * k] = low_pairs(all[k], all[k + COUNT / 2]);
            turned[2 * k + 1] = high_pairs(all[k], all[k + COUNT / 2]);
        }
        for (int k = 0; k < COUNT; ++k) all[k] = turned[k];
    }
    alignas(16) uint8_t rows[SIZE * SIZE];
    for (int k = 0; k < COUNT; ++k) store(rows + 16 * k, all[k]);
    for (int i = 0; i < SIZE; ++i) __builtin_memcpy(out + i * pitch, rows + i * SIZE, SIZE);
}

template <int SIZE>
SC_INLINE void mean(const uint8_t* corner, uint8_t* out, ptrdiff_t pitch) {
    int total = SIZE;
    for (int i = 1; i <= SIZE; ++i) total += corner[i] + corner[-i];
    for (int i = 0; i < SIZE; ++i) __builtin_memset(out + i * pitch, total / (2 * SIZE), SIZE);
}

template <int SIZE>
SC_INLINE void planar(const uint8_t* corner, uint8_t* out, ptrdiff_t pitch) {
    constexpr int SHIFT = SIZE == 16 ? 5 : (SIZE == 8 ? 4 : 3);
    const int upper_right = corner[1 + SIZE], lower_left = corner[-1 - SIZE];
    for (int i = 0; i < SIZE; ++i) {
        const int left = corner[-1 - i];
        const int below = (i + 1) * lower_left + SIZE;
        for (int j = 0; j < SIZE; ++j) {
            out[i * pitch + j] = static_cast<uint8_t>(
                static_cast<uint16_t>((SIZE - 1 - j) * left + (j + 1) * upper_right +
                                      (SIZE - 1 - i) * corner[1 + j] + below) >> SHIFT);
        }
    }
}

// Rows along a direction: `line` is the main side, from the corner at BASE on.
constexpr int BASE = 16;
template <int SIZE>
SC_INLINE void along(const uint8_t* line, int angle, uint8_t* out, ptrdiff_t pitch) {
    for (int i = 0; i < SIZE; ++i) {
        const uint8_t* at = line + BASE + 1 + (((i + 1) * angle) >> 5);
        const int part = ((i + 1) * angle) & 31;
        for (int j = 0; j < SIZE; ++j) {
            out[i * pitch + j] = static_cast<uint8_t>(
                static_cast<uint16_t>((32 - part) * at[j] + part * at[j + 1] + 16) >> 5);
        }
    }
}

template <int SIZE>
SC_INLINE void direction(const uint8_t* corner, int mode, uint8_t* out, ptrdiff_t pitch) {
    const int angle = ANGLES[mode];
    const bool down = mode >= 18;
    alignas(16) uint8_t line[BASE + 2 * SIZE + 2];
    const int known = angle < 0 ? SIZE : 2 * SIZE;
    if (down) {
        __builtin_memcpy(line + BASE, corner, known + 1);
    } else {
        for (int i = 0; i <= known; ++i) line[BASE + i] = corner[-i];
    }
    line[BASE + known + 1] = 0;  // read beside the last sample, with weight 0
    const int inverse = inverse_of(angle);
    for (int i = 1; i <= (SIZE * -angle) >> 5; ++i) {
        const int across = (i * inverse + 128) >> 8;
        line[BASE - i] = corner[down ? -across : across];
    }
    if (down) {
        along<SIZE>(line, angle, out, pitch);
    } else {
        alignas(16) uint8_t turned[SIZE * SIZE];
        along<SIZE>(line, angle, turned, SIZE);
        transpose<SIZE>(turned, out, pitch);
    }
}

template <int SIZE>
SC_INLINE void any(const uint8_t* edge, int mode, uint8_t* out, ptrdiff_t pitch) {
    const uint8_t* corner = edge + 2 * SIZE;
    if (mode == 0) {
        planar<SIZE>(corner, out, pitch);
    } else if (mode == 1) {
        mean<SIZE>(corner, out, pitch);
    } else {
        direction<SIZE>(corner, mode, out, pitch);
    }
}

}  // namespace

void predict(const uint8_t* edge, int size, int mode, uint8_t* out, ptrdiff_t pitch) {
    if (size == 16) {
        any<16>(edge, mode, out, pitch);
    } else if (size == 8) {
        any<8>(edge, mode, out, pitch);
    } else {
        any<4>(edge, mode, out, pitch);
    }
}

}  // namespace sc::SC_LEVEL
