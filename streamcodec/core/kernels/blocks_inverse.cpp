// SPDX-License-Identifier: Apache-2.0
// The exact inverse transforms. Columns first, lanes are columns, rounded to 1/8 units; then rows,
// lanes are samples. Mirrored samples share their products: integers, so any order gives the same.
#include "kernels/bases.hpp"
#include "kernels/blocks_parts.hpp"
#include "kernels/floats.hpp"

namespace sc::SC_LEVEL {
namespace {

constexpr int BASIS_BITS = 12;
constexpr int UNIT_BITS = 3;
constexpr int LIMIT = 65535;
constexpr int MIDDLE = 1 << (BASIS_BITS - 1);
constexpr int LAST = 1 << (BASIS_BITS + UNIT_BITS - 1);

SC_INLINE Ints whole(Ints sum) { return bound((sum + MIDDLE) >> BASIS_BITS, -LIMIT, LIMIT); }

SC_INLINE void add_row(uint8_t* out, Ints sum) {
    narrow(out, bound(widen(out) + ((sum + LAST) >> (BASIS_BITS + UNIT_BITS)), 0, 255));
}

// Eight columns of N rows, of which `rows` are used; pitch N.
template <int N>
SC_INLINE void columns(const int32_t* work, int rows, const Basis<int32_t, N>& basis,
                       int32_t* middle) {
    for (int i = 0; i < N / 2; ++i) {
        Ints even = {}, odd = {};
        for (int u = 0; u < rows; u += 2) {
            even += load<Ints>(work + N * u) * basis.at[u][i];
            odd += load<Ints>(work + N * (u + 1)) * basis.at[u + 1][i];
        }
        store(middle + N * i, whole(even + odd));
        store(middle + N * (N - 1 - i), whole(even - odd));
    }
}

}  // namespace

void add16(const int32_t* work, int rows, int used, uint8_t* out, ptrdiff_t pitch) {
    alignas(32) int32_t middle[256];
    columns<16>(work, rows, B16, middle);
    if (used > 8) columns<16>(work + 8, rows, B16, middle + 8);
    for (int i = 0; i < 16; ++i) {
        Ints even = {}, odd = {};
        for (int v = 0; v < used; v += 2) {
            even += load<Ints>(B16.at[v]) * middle[16 * i + v];
            odd += load<Ints>(B16.at[v + 1]) * middle[16 * i + v + 1];
        }
        const Ints apart = even - odd;
        add_row(out, even + odd);
        add_row(out + 8, __builtin_shufflevector(apart, apart, 7, 6, 5, 4, 3, 2, 1, 0));
        out += pitch;
    }
}

void add8(const int32_t* work, int rows, int used, uint8_t* out, ptrdiff_t pitch) {
    alignas(32) int32_t middle[64];
    columns<8>(work, rows, B8, middle);
    for (int i = 0; i < 8; ++i) {
        Ints sum = {};
        for (int v = 0; v < used; ++v) sum += load<Ints>(B8.at[v]) * middle[8 * i + v];
        add_row(out, sum);
        out += pitch;
    }
}

void add4(const int32_t* work, uint8_t* out, ptrdiff_t pitch) {
    FourInts middle[4];
    for (int i = 0; i < 4; ++i) {
        FourInts sum = {};
        for (int u = 0; u < 4; ++u) sum += load<FourInts>(work + 4 * u) * B4.at[u][i];
        middle[i] = bound((sum + MIDDLE) >> BASIS_BITS, -LIMIT, LIMIT);
    }
    for (int i = 0; i < 4; ++i) {
        FourInts sum = {};
        for (int v = 0; v < 4; ++v) sum += load<FourInts>(B4.at[v]) * middle[i][v];
        sum = (sum + LAST) >> (BASIS_BITS + UNIT_BITS);
        for (int j = 0; j < 4; ++j) out[j] = static_cast<uint8_t>(clip(out[j] + sum[j], 0, 255));
        out += pitch;
    }
}

void add_plain4(const int32_t* work, uint8_t* out, ptrdiff_t pitch) {
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
            const int apart = (work[4 * i + j] + (1 << (UNIT_BITS - 1))) >> UNIT_BITS;
            out[j] = static_cast<uint8_t>(clip(out[j] + apart, 0, 255));
        }
        out += pitch;
    }
}

}  // namespace sc::SC_LEVEL
