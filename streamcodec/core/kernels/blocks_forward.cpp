// SPDX-License-Identifier: Apache-2.0
// The encoder's transforms. Cosines are even or odd about the middle, so sums and differences of
// mirrored samples halve the products. Columns come first, lanes are columns; then rows, lanes are
// frequencies.
#include "kernels/bases.hpp"
#include "kernels/blocks_parts.hpp"
#include "kernels/floats.hpp"

namespace sc::SC_LEVEL {
namespace {

// Basis values that lanes multiply one (mirrored) sample with: for sample k, frequencies first,
// first + stride, ...
struct Lanes {
    float at[8][8];
};
constexpr Lanes lanes16(int first) {
    Lanes lanes{};
    for (int k = 0; k < 8; ++k) {
        for (int lane = 0; lane < 8; ++lane) lanes.at[k][lane] = D16.at[2 * lane + first][k];
    }
    return lanes;
}
// Even frequencies in the low half, odd ones in the high.
constexpr Lanes lanes8() {
    Lanes lanes{};
    for (int k = 0; k < 4; ++k) {
        for (int lane = 0; lane < 4; ++lane) {
            lanes.at[k][lane] = D8.at[2 * lane][k];
            lanes.at[k][lane + 4] = D8.at[2 * lane + 1][k];
        }
    }
    return lanes;
}
constexpr Lanes lanes4() {
    Lanes lanes{};
    for (int k = 0; k < 4; ++k) {
        for (int lane = 0; lane < 8; ++lane) lanes.at[k][lane] = D4.at[lane & 3][k];
    }
    return lanes;
}
alignas(32) constexpr Lanes EVEN16 = lanes16(0);
alignas(32) constexpr Lanes ODD16 = lanes16(1);
alignas(32) constexpr Lanes BOTH8 = lanes8();
alignas(32) constexpr Lanes TWICE4 = lanes4();

// Eight columns of a 16-point DCT.
SC_INLINE void columns16(const float* in, float* out) {
    Floats sum[8], apart[8];
    for (int i = 0; i < 8; ++i) {
        const Floats a = load<Floats>(in + 16 * i), b = load<Floats>(in + 16 * (15 - i));
        sum[i] = a + b;
        apart[i] = a - b;
    }
    for (int u = 1; u < 16; u += 2) {
        Floats total = apart[0] * D16.at[u][0];
        for (int i = 1; i < 8; ++i) total += apart[i] * D16.at[u][i];
        store(out + 16 * u, total);
    }
    Floats inner[4], outer[4];
    for (int i = 0; i < 4; ++i) {
        inner[i] = sum[i] + sum[7 - i];
        outer[i] = sum[i] - sum[7 - i];
    }
    for (int u = 0; u < 16; u += 4) {
        Floats low = inner[0] * D16.at[u][0];
        Floats high = outer[0] * D16.at[u + 2][0];
        for (int i = 1; i < 4; ++i) {
            low += inner[i] * D16.at[u][i];
            high += outer[i] * D16.at[u + 2][i];
        }
        store(out + 16 * u, low);
        store(out + 16 * (u + 2), high);
    }
}

}  // namespace

bool subtract(const uint8_t* source, ptrdiff_t source_pitch, const uint8_t* guess,
              ptrdiff_t guess_pitch, int size, float* out, int out_pitch) {
    Ints any = {};
    for (int i = 0; i < size; ++i) {
        for (int j = 0; j < size; j += 8) {
            const Ints apart = widen(source + j) - widen(guess + j);
            any |= apart;
            store(out + j, __builtin_convertvector(apart, Floats));
        }
        source += source_pitch;
        guess += guess_pitch;
        out += out_pitch;
    }
    return any_of(any);
}

void forward16(const float* samples, float* out) {
    alignas(32) float middle[256];
    columns16(samples, middle);
    columns16(samples + 8, middle + 8);
    for (int i = 0; i < 16; ++i) {
        const Floats left = load<Floats>(middle + 16 * i);
        const Floats right = load<Floats>(middle + 16 * i + 8);
        const Floats mirrored = __builtin_shufflevector(right, right, 7, 6, 5, 4, 3, 2, 1, 0);
        alignas(32) float sum[8], apart[8];
        store(sum, left + mirrored);
        store(apart, left - mirrored);
        Floats even = load<Floats>(EVEN16.at[0]) * sum[0];
        Floats odd = load<Floats>(ODD16.at[0]) * apart[0];
        for (int k = 1; k < 8; ++k) {
            even += load<Floats>(EVEN16.at[k]) * sum[k];
            odd += load<Floats>(ODD16.at[k]) * apart[k];
        }
        store(out + 16 * i, __builtin_shufflevector(even, odd, 0, 8, 1, 9, 2, 10, 3, 11));
        store(out + 16 * i + 8, __builtin_shufflevector(even, odd, 4, 12, 5, 13, 6, 14, 7, 15));
    }
}

void forward8(const float* samples, int pitch, float* out) {
    Floats sum[4], apart[4], middle[8];
    for (int i = 0; i < 4; ++i) {
        const Floats a = load<Floats>(samples + pitch * i);
        const Floats b = load<Floats>(samples + pitch * (7 - i));
        sum[i] = a + b;
        apart[i] = a - b;
    }
    for (int u = 0; u < 8; u += 2) {
        middle[u] = sum[0] * D8.at[u][0];
        middle[u + 1] = apart[0] * D8.at[u + 1][0];
        for (int i = 1; i < 4; ++i) {
            middle[u] += sum[i] * D8.at[u][i];
            middle[u + 1] += apart[i] * D8.at[u + 1][i];
        }
    }
    const Floats sign = {1, 1, 1, 1, -1, -1, -1, -1};
    for (int i = 0; i < 8; ++i) {
        const Floats row = middle[i];
        // Sums in the low half, differences in the high, the outermost last.
        const Floats folded =
            __builtin_shufflevector(row, row, 7, 6, 5, 4, 3, 2, 1, 0) + row * sign;
        const Floats total =
            __builtin_shufflevector(folded, folded, 0, 0, 0, 0, 7, 7, 7, 7) *
                load<Floats>(BOTH8.at[0]) +
            __builtin_shufflevector(folded, folded, 1, 1, 1, 1, 6, 6, 6, 6) *
                load<Floats>(BOTH8.at[1]) +
            __builtin_shufflevector(folded, folded, 2, 2, 2, 2, 5, 5, 5, 5) *
                load<Floats>(BOTH8.at[2]) +
            __builtin_shufflevector(folded, folded, 3, 3, 3, 3, 4, 4, 4, 4) *
                load<Floats>(BOTH8.at[3]);
        store(out + 8 * i, __builtin_shufflevector(total, total, 0, 4, 1, 5, 2, 6, 3, 7));
    }
}

void forward4s(const float* samples, int pitch, float* out) {
    for (int c = 0; c < 2; ++c) {
        Floats rows[4], middle[4];
        for (int i = 0; i < 4; ++i) rows[i] = load<Floats>(samples + pitch * (4 * c + i));
        const Floats outer = rows[0] + rows[3], inner = rows[1] + rows[2];
        const Floats far = rows[0] - rows[3], near = rows[1] - rows[2];
        for (int u = 0; u < 4; u += 2) {
            middle[u] = outer * D4.at[u][0] + inner * D4.at[u][1];
            middle[u + 1] = far * D4.at[u + 1][0] + near * D4.at[u + 1][1];
        }
        for (int u = 0; u < 4; ++u) {
            const Floats row = middle[u];
            alignas(32) float both[8];
            store(both, __builtin_shufflevector(row, row, 0, 0, 0, 0, 4, 4, 4, 4) *
                                load<Floats>(TWICE4.at[0]) +
                            __builtin_shufflevector(row, row, 1, 1, 1, 1, 5, 5, 5, 5) *
                                load<Floats>(TWICE4.at[1]) +
                            __builtin_shufflevector(row, row, 2, 2, 2, 2, 6, 6, 6, 6) *
                                load<Floats>(TWICE4.at[2]) +
                            __builtin_shufflevector(row, row, 3, 3, 3, 3, 7, 7, 7, 7) *
                                load<Floats>(TWICE4.at[3]));
            __builtin_memcpy(out + 32 * c + 4 * u, both, 16);
            __builtin_memcpy(out + 32 * c + 16 + 4 * u, both + 4, 16);
        }
    }
}

void forward4(const float* samples, float* out) {
    float middle[16];
    for (int j = 0; j < 4; ++j) {
        const float outer = samples[j] + samples[12 + j], inner = samples[4 + j] + samples[8 + j];
        const float far = samples[j] - samples[12 + j], near = samples[4 + j] - samples[8 + j];
        for (int u = 0; u < 4; u += 2) {
            middle[4 * u + j] = outer * D4.at[u][0] + inner * D4.at[u][1];
            middle[4 * u + 4 + j] = far * D4.at[u + 1][0] + near * D4.at[u + 1][1];
        }
    }
    for (int u = 0; u < 4; ++u) {
        for (int v = 0; v < 4; ++v) {
            float total = middle[4 * u] * D4.at[v][0];
            for (int j = 1; j < 4; ++j) total += middle[4 * u + j] * D4.at[v][j];
            out[4 * u + v] = total;
        }
    }
}

float level_bits(const float* levels, int count, float inverse_step) {
    // Up to here dropping is cheaper: no roots for the many groups of small ones.
    constexpr float SMALL = 0.7F;
    Floats sums[2] = {};
    for (int c = 0; c < count; c += 16) {
        const Floats low = absolute(load<Floats>(levels + c)) * inverse_step;
        const Floats high = absolute(load<Floats>(levels + c + 8)) * inverse_step;
        Floats costs[2] = {low * low * 7.7F, high * high * 7.7F};
        if (any_of((low > SMALL) | (high > SMALL))) {
            costs[0] = least(costs[0], 2.5F + 2.0F * root(low));
            costs[1] = least(costs[1], 2.5F + 2.0F * root(high));
        }
        sums[0] += costs[0];
        sums[1] += costs[1];
    }
    return total(sums[0], sums[1]);
}

}  // namespace sc::SC_LEVEL
