// SPDX-License-Identifier: Apache-2.0
// A DCT's basis is symmetric or antisymmetric about the middle, in both directions, and rounding
// keeps that. So samples are folded first: sums and differences of mirrored ones, four sets of a
// quarter of the block each, and each set meets a quarter of the frequencies. A quarter of the
// products, the same integers.
#include "prior/spectrum.hpp"

#include <cmath>
#include <numbers>

#include "blocks/layout.hpp"
#include "kernels.hpp"
#include "prior/ties.hpp"

namespace sc {
namespace {

// A basis value of a DCT of `size`: scaled so that no two-dimensional one leaves -127..127.
// Values lie at least 1e-6 from a half, so that every machine rounds the same (a test looks), but
// for ties at frequencies 0 and half of the size, which are 64 here (`SMALLER`).
int rounded(int size, int u, int v, int i, int j) {
    const auto one = [size](int frequency, int sample) {
        const double scale = std::sqrt((frequency == 0 ? 1.0 : 2.0) / size);
        return scale * std::cos(std::numbers::pi * (2 * sample + 1) * frequency / (2.0 * size));
    };
    const double exact = one(u, i) * one(v, j) * (127.0 * size / 2);
    return static_cast<int>(std::nearbyint(exact * (1 + 1e-9)));
}

template <int SIZE>
bool is_smaller(int tie, int i, int j) {
    return ((SIZE == 16 ? SMALLER16[tie][i] : SMALLER8[tie][i % 8]) >> j & 1) != 0;
}

// What is added at the four frequencies that lie on ties: by sample, -1, 0 or 1, as 16-bit numbers
// that pair with the samples.
template <int SIZE>
struct Ties {
    i16 change[4][SIZE * SIZE];
    bool any[4] = {};

    Ties() {
        for (int tie = 0; tie < 4; ++tie) {
            const int u = (tie >> 1) * SIZE / 2, v = (tie & 1) * SIZE / 2;
            for (int i = 0; i < SIZE; ++i) {
                for (int j = 0; j < SIZE; ++j) {
                    const int sign = rounded(SIZE, u, v, i, j) > 0 ? 1 : -1;
                    const bool smaller = is_smaller<SIZE>(tie, i, j);
                    change[tie][i * SIZE + j] = static_cast<i16>(smaller ? -sign : 0);
                    any[tie] = any[tie] || smaller;
                }
            }
        }
    }
};

template <int SIZE>
const Ties<SIZE>& ties() {
    static const Ties<SIZE> value;
    return value;
}

// Where frequency (u, v) stands among the places of `Folded`: even ones make up set 0.
template <int SIZE>
constexpr int place_of(int u, int v) {
    return u / 2 * (SIZE / 2) + v / 2;
}

// The bases of the four sets, and the channels they lead to.
template <int SIZE>
struct Folded {
    static constexpr int HALF = SIZE / 2;
    static constexpr int PLACES = HALF * HALF;
    i16 packed[4][PLACES * PLACES];  // by twos of samples, as the kernel takes them
    int position[4 * PLACES];

    static int at_pair(int sample, int place) {
        return (sample / 2 * PLACES + place) * 2 + sample % 2;
    }

    Folded() {
        for (int set = 0; set < 4; ++set) {
            for (int u = 0; u < HALF; ++u) {
                for (int v = 0; v < HALF; ++v) {
                    const int place = u * HALF + v;
                    const int fu = 2 * u + (set >> 1), fv = 2 * v + (set & 1);
                    position[set * PLACES + place] = fu * SIZE + fv;
                    for (int i = 0; i < HALF; ++i)
                        for (int j = 0; j < HALF; ++j)
                            packed[set][at_pair(i * HALF + j, place)] =
                                static_cast<i16>(rounded(SIZE, fu, fv, i, j));
                }
            }
        }
    }
};

const Folded<16>& folded16() {
    static const Folded<16> value;
    return value;
}
const Folded<8>& folded8() {
    static const Folded<8> value;
    return value;
}

template <int SIZE>
void transform(const Folded<SIZE>& folded, Grid<const u8> plane, int top, int left, i32* out) {
    constexpr int HALF = SIZE / 2;
    constexpr int PLACES = HALF * HALF;
    i16 even[SIZE][HALF], odd[SIZE][HALF];  // folded across
    for (int i = 0; i < SIZE; ++i) {
        const u8* line = plane.row(top + i) + left;
        for (int j = 0; j < HALF; ++j) {
            const int a = line[j] - 128, b = line[SIZE - 1 - j] - 128;
            even[i][j] = static_cast<i16>(a + b);
            odd[i][j] = static_cast<i16>(a - b);
        }
    }
    i16 sets[4][PLACES];
    for (int i = 0; i < HALF; ++i) {
        for (int j = 0; j < HALF; ++j) {
            const int at = i * HALF + j, mirrored = SIZE - 1 - i;
            sets[0][at] = static_cast<i16>(even[i][j] + even[mirrored][j]);
            sets[1][at] = static_cast<i16>(odd[i][j] + odd[mirrored][j]);
            sets[2][at] = static_cast<i16>(even[i][j] - even[mirrored][j]);
            sets[3][at] = static_cast<i16>(odd[i][j] - odd[mirrored][j]);
        }
    }
    const auto* kernel = kernels().prior;
    for (int set = 0; set < 4; ++set)
        kernel->product16(sets[set], folded.packed[set], PLACES, out + set * PLACES);
    i16 samples[SIZE * SIZE];
    for (int i = 0; i < SIZE; ++i) {
        const u8* line = plane.row(top + i) + left;
        for (int j = 0; j < SIZE; ++j) samples[i * SIZE + j] = static_cast<i16>(line[j] - 128);
    }
    for (int tie = 0; tie < 4; ++tie) {
        if (!ties<SIZE>().any[tie]) continue;
        const i16* change = ties<SIZE>().change[tie];
        i32 sum = 0;
        for (int k = 0; k < SIZE * SIZE; ++k) sum += samples[k] * change[k];
        out[place_of<SIZE>((tie >> 1) * SIZE / 2, (tie & 1) * SIZE / 2)] += sum;
    }
}

template <int SIZE>
void whole_basis(i8* out) {
    for (int i = 0; i < SIZE; ++i)
        for (int j = 0; j < SIZE; ++j)
            for (int u = 0; u < SIZE; ++u)
                for (int v = 0; v < SIZE; ++v) {
                    int value = rounded(SIZE, u, v, i, j);
                    if (u % (SIZE / 2) == 0 && v % (SIZE / 2) == 0)
                        value += ties<SIZE>().change[(u != 0) * 2 + (v != 0)][i * SIZE + j];
                    *out++ = static_cast<i8>(value);
                }
}

}  // namespace

void spectrum_of(const ConstPlanes& planes, int row, int column, Spectrum& out) {
    transform(folded16(), planes.y, 16 * row, 16 * column, out.luma);
    transform(folded8(), planes.u, 8 * row, 8 * column, out.chroma[0]);
    transform(folded8(), planes.v, 8 * row, 8 * column, out.chroma[1]);
}

const u16 (&luma_channels())[256] {
    struct Table {
        u16 of[256];
        Table() {
            for (int k = 0; k < 256; ++k)
                of[k] = static_cast<u16>(CHANNEL_OF[folded16().position[k]]);
        }
    };
    static const Table table;
    return table.of;
}

const u16 (&chroma_channels())[2][64] {
    struct Table {
        u16 of[2][64];
        Table() {
            for (int plane = 0; plane < 2; ++plane)
                for (int k = 0; k < 64; ++k)
                    of[plane][k] = static_cast<u16>(
                        CHANNEL_OF[256 + 64 * plane + folded8().position[k]]);
        }
    };
    static const Table table;
    return table.of;
}

void luma_basis(i8* out) { whole_basis<16>(out); }
void chroma_basis(i8* out) { whole_basis<8>(out); }

}  // namespace sc
