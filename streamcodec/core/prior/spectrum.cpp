// SPDX-License-Identifier: Apache-2.0
// A DCT's basis is symmetric or antisymmetric about the middle, in both directions, and rounding
// keeps that. So samples can be folded first: sums and differences of mirrored ones, four sets of a
// quarter of the block each, and each set meets a quarter of the frequencies. A quarter of the
// products, the same integers; places are in that order in every implementation.
#include "prior/spectrum.hpp"

#include <cmath>
#include <numbers>
#include <vector>

#include "aligned.hpp"
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

// What is added at the four frequencies that lie on ties: by sample, -1, 0 or 1.
template <int SIZE>
struct Ties {
    i8 change[4][SIZE * SIZE];
    bool any[4] = {};

    Ties() {
        for (int tie = 0; tie < 4; ++tie) {
            const int u = (tie >> 1) * SIZE / 2, v = (tie & 1) * SIZE / 2;
            for (int i = 0; i < SIZE; ++i) {
                for (int j = 0; j < SIZE; ++j) {
                    const int sign = rounded(SIZE, u, v, i, j) > 0 ? 1 : -1;
                    const bool smaller = is_smaller<SIZE>(tie, i, j);
                    change[tie][i * SIZE + j] = static_cast<i8>(smaller ? -sign : 0);
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

// The index of frequency (u, v) among the places of `Folded`: even ones make up set 0.
template <int SIZE>
constexpr int place_of(int u, int v) {
    return u / 2 * (SIZE / 2) + v / 2;
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

// The basis as the kernels take it, and the frequencies that places lead to.
template <int SIZE>
struct BasisImages {
    static constexpr int HALF = SIZE / 2;
    static constexpr int PLACES = HALF * HALF;
    static constexpr int ALL = SIZE * SIZE;
    i16 folded[4 * PLACES * PLACES];  // by sets; within one by twos of samples
    Aligned<i8> bytes;
    int position[ALL];
    SpectrumBasis view{};

    static int at_pair(int sample, int place) {
        return (sample / 2 * PLACES + place) * 2 + sample % 2;
    }

    BasisImages() : bytes(ALL * ALL) {
        for (int set = 0; set < 4; ++set) {
            for (int place = 0; place < PLACES; ++place) {
                const int fu = 2 * (place / HALF) + (set >> 1), fv = 2 * (place % HALF) + (set & 1);
                position[set * PLACES + place] = fu * SIZE + fv;
                for (int i = 0; i < HALF; ++i)
                    for (int j = 0; j < HALF; ++j)
                        folded[set * PLACES * PLACES + at_pair(i * HALF + j, place)] =
                            static_cast<i16>(rounded(SIZE, fu, fv, i, j));
            }
        }
        std::vector<i8> whole(ALL * ALL);
        whole_basis<SIZE>(whole.data());
        for (int sample = 0; sample < ALL; ++sample)
            for (int place = 0; place < ALL; ++place)
                bytes[packed_at(sample, place, ALL / 4, ALL)] = whole[sample * ALL + position[place]];
        view.side = SIZE;
        view.bytes = bytes.data();
        view.folded = folded;
        for (int tie = 0; tie < 4; ++tie) {
            view.changes[tie] = ties<SIZE>().any[tie] ? ties<SIZE>().change[tie] : nullptr;
            view.tie_places[tie] = place_of<SIZE>((tie >> 1) * HALF, (tie & 1) * HALF);
        }
    }
};

const BasisImages<16>& bases16() {
    static const BasisImages<16> value;
    return value;
}
const BasisImages<8>& bases8() {
    static const BasisImages<8> value;
    return value;
}

template <int SIZE>
void less_128(Grid<const u8> plane, int top, int left, i8* out) {
    for (int i = 0; i < SIZE; ++i) {
        const u8* line = plane.row(top + i) + left;
        for (int j = 0; j < SIZE; ++j) out[i * SIZE + j] = static_cast<i8>(line[j] - 128);
    }
}

}  // namespace

void samples_of(const ConstPlanes& planes, int row, int column, i8* out) {
    less_128<16>(planes.y, 16 * row, 16 * column, out);
    less_128<8>(planes.u, 8 * row, 8 * column, out + 256);
    less_128<8>(planes.v, 8 * row, 8 * column, out + 320);
}

void spectra_of(const i8* samples, int count, i32* out) {
    const auto* kernel = kernels().prior;
    kernel->spectra(bases16().view, samples, count, out);
    kernel->spectra(bases8().view, samples + 256, count, out + 256);
    kernel->spectra(bases8().view, samples + 320, count, out + 320);
}

const u16 (&channel_of_place())[CHANNELS] {
    struct Table {
        u16 of[CHANNELS];
        Table() {
            for (int k = 0; k < 256; ++k)
                of[k] = static_cast<u16>(CHANNEL_OF[bases16().position[k]]);
            for (int k = 256; k < CHANNELS; ++k)
                of[k] = static_cast<u16>(CHANNEL_OF[k / 64 * 64 + bases8().position[k % 64]]);
        }
    };
    static const Table table;
    return table.of;
}

void luma_basis(i8* out) { whole_basis<16>(out); }
void chroma_basis(i8* out) { whole_basis<8>(out); }

}  // namespace sc
