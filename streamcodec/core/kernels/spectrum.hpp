// SPDX-License-Identifier: Apache-2.0
// The transform of predicted blocks (prior/spectrum.hpp). Where there are tiles, all samples meet all
// bytes of the basis. Elsewhere samples are folded first: sums and differences of mirrored ones.
#pragma once

#include "kernels/bytes.hpp"
#include "kernels/level.hpp"
#include "kernels/prior.hpp"
#include "kernels/tiles.hpp"

namespace sc::SC_LEVEL {

#if defined(SC_TILES)

SC_INLINE void spectra(const SpectrumBasis& basis, const int8_t* samples, int count, int32_t* out) {
    const int size = basis.side * basis.side;
    const auto* rows = reinterpret_cast<const uint8_t*>(samples);
    for (int i = 0; i < count;) {
        const int left = count - i;
        const uint8_t* from = rows + i * CHANNELS_SHOWN;
        int32_t* to = out + i * CHANNELS_SHOWN;
        const Tiles shapes(left < TILE_SIDE ? left : TILE_SIDE);
        const bool two = left >= 2 * TILE_SIDE;
        for (int o = 0; o < size; o += PANEL) {
            clear_sums();
            const int8_t* panel = basis.bytes + o * size;
            for (int k = 0; k < size; k += TILE_BYTES, panel += TILE_BYTES * PANEL) {
                if (two)
                    add_tile<true, true, true>(from + k, CHANNELS_SHOWN, panel, PANEL * 4);
                else
                    add_tile<false, true, true>(from + k, CHANNELS_SHOWN, panel, PANEL * 4);
            }
            if (two)
                store_tiles<true, true>(to + o, CHANNELS_SHOWN);
            else
                store_tiles<false, true>(to + o, CHANNELS_SHOWN);
        }
        i += two ? 2 * TILE_SIDE : TILE_SIDE;
    }
}

#else

// out[o] = sum over k of inputs[k] * basis[k][o], SIZE of both. The basis is packed by twos of inputs:
// packed[(k / 2 * SIZE + o) * 2 + k % 2].
template <int SIZE>
SC_INLINE void product16(const int16_t* inputs, const int16_t* packed, int32_t* out) {
    constexpr int AT_ONCE = SIZE / LANES < 4 ? SIZE / LANES : 4;
    for (int o = 0; o < SIZE; o += AT_ONCE * LANES) {
        Sums total[AT_ONCE];
        for (int w = 0; w < AT_ONCE; ++w) total[w] = zero_sums();
        for (int pair = 0; pair < SIZE / 2; ++pair) {
            int32_t both;
            memcpy(&both, inputs + 2 * pair, 4);
            const Sums two = spread(both);
            const int16_t* weights = packed + (pair * SIZE + o) * 2;
            for (int w = 0; w < AT_ONCE; ++w)
                total[w] = add_pairs(total[w], two, load_sums(weights + w * LANES * 2));
        }
        for (int w = 0; w < AT_ONCE; ++w) store_sums(out + o + w * LANES, total[w]);
    }
}

template <int SIDE>
SC_INLINE void folded(const SpectrumBasis& basis, const int8_t* samples, int32_t* out) {
    constexpr int HALF = SIDE / 2;
    constexpr int PLACES = HALF * HALF;
    int16_t even[SIDE][HALF], odd[SIDE][HALF];  // folded across
    for (int i = 0; i < SIDE; ++i) {
        const int8_t* line = samples + i * SIDE;
        for (int j = 0; j < HALF; ++j) {
            const int a = line[j], b = line[SIDE - 1 - j];
            even[i][j] = static_cast<int16_t>(a + b);
            odd[i][j] = static_cast<int16_t>(a - b);
        }
    }
    int16_t sets[4][PLACES];
    for (int i = 0; i < HALF; ++i) {
        for (int j = 0; j < HALF; ++j) {
            const int at = i * HALF + j, mirrored = SIDE - 1 - i;
            sets[0][at] = static_cast<int16_t>(even[i][j] + even[mirrored][j]);
            sets[1][at] = static_cast<int16_t>(odd[i][j] + odd[mirrored][j]);
            sets[2][at] = static_cast<int16_t>(even[i][j] - even[mirrored][j]);
            sets[3][at] = static_cast<int16_t>(odd[i][j] - odd[mirrored][j]);
        }
    }
    for (int set = 0; set < 4; ++set)
        product16<PLACES>(sets[set], basis.folded + set * PLACES * PLACES, out + set * PLACES);
    for (int tie = 0; tie < 4; ++tie) {
        const int8_t* change = basis.changes[tie];
        if (change == nullptr) continue;
        int32_t sum = 0;
        for (int k = 0; k < SIDE * SIDE; ++k) sum += samples[k] * change[k];
        out[basis.tie_places[tie]] += sum;
    }
}

SC_INLINE void spectra(const SpectrumBasis& basis, const int8_t* samples, int count, int32_t* out) {
    for (int i = 0; i < count; ++i, samples += CHANNELS_SHOWN, out += CHANNELS_SHOWN) {
        if (basis.side == 16)
            folded<16>(basis, samples, out);
        else
            folded<8>(basis, samples, out);
    }
}

#endif

}  // namespace sc::SC_LEVEL
