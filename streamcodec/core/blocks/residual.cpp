// SPDX-License-Identifier: Apache-2.0
#include "blocks/residual.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "blocks/places.hpp"
#include "kernels.hpp"

namespace sc {
namespace {
constexpr int LIMIT = 65535;
constexpr int CHROMA = 16;  // the first chroma's transform
}  // namespace

int dequantised(int symbol, int step_q3) {
    if (symbol == 0) return 0;
    const i64 size = static_cast<i64>(std::abs(symbol)) * step_q3 - ((step_q3 * BIAS_Q8) >> 8);
    const int value = static_cast<int>(std::clamp<i64>(size, -LIMIT, LIMIT));
    return symbol < 0 ? -value : value;
}

void Residual::put(int channel, int symbol, int step_q3, int split) {
    const int quarter = QUARTER_OF[channel];
    int at = WHOLE_PLACES[channel], transform, row, column;
    if (quarter == 4) {
        transform = CHROMA + (at >= 320);
        row = at >> 3 & 7;
        column = at & 7;
    } else if (split == 0) {
        transform = 0;
        row = at >> 4;
        column = at & 15;
    } else if (kind_of(split, quarter) == EIGHT) {
        at = EIGHT_PLACES[channel];
        transform = 4 * quarter;
        row = at >> 3 & 7;
        column = at & 7;
    } else {
        at = FOUR_PLACES[channel];
        transform = at >> 4;
        row = at >> 2 & 3;
        column = at & 3;
    }
    work_[at] = dequantised(symbol, step_q3);
    rows_[transform] = static_cast<u8>(std::max<int>(rows_[transform], row + 1));
    columns_[transform] = static_cast<u8>(std::max<int>(columns_[transform], column + 1));
}

void Residual::put(const i16* symbols, int channels, const i32* steps_q3, int split) {
    for (int first = 0; first < channels; first += 8) {
        // Most symbols are zero: eight at a time. Rows of symbols have a multiple of eight.
        u64 words[2];
        std::memcpy(words, symbols + first, sizeof words);
        if ((words[0] | words[1]) == 0) continue;
        const int end = std::min(first + 8, channels);
        for (int c = first; c < end; ++c) {
            if (symbols[c]) put(c, symbols[c], steps_q3[c], split);
        }
    }
}

void Residual::add_luma(u8* out, std::ptrdiff_t pitch, int split) {
    if (split == 0) {
        if (rows_[0] == 0) return;
        kernels().blocks->add16(work_, rows_[0], columns_[0], out, pitch);
        std::memset(work_, 0, 64 * rows_[0]);
        rows_[0] = columns_[0] = 0;
        return;
    }
    for (int k = 0; k < 4; ++k) {
        u8* quarter = out + (k >> 1) * 8 * pitch + (k & 1) * 8;
        const int kind = kind_of(split, k);
        if (kind == EIGHT) {
            add_quarter(quarter, pitch, k);
            continue;
        }
        for (int part = 0; part < 4; ++part) {
            add_sixteenth(quarter + (part >> 1) * 4 * pitch + (part & 1) * 4, pitch, k, part, kind);
        }
    }
}

void Residual::add_quarter(u8* out, std::ptrdiff_t pitch, int quarter) {
    const int transform = 4 * quarter;
    if (rows_[transform] == 0) return;
    i32* work = work_ + 64 * quarter;
    kernels().blocks->add8(work, rows_[transform], columns_[transform], out, pitch);
    std::memset(work, 0, 32 * rows_[transform]);
    rows_[transform] = columns_[transform] = 0;
}

void Residual::add_sixteenth(u8* out, std::ptrdiff_t pitch, int quarter, int part, int kind) {
    const int transform = 4 * quarter + part;
    if (rows_[transform] == 0) return;
    i32* work = work_ + 16 * transform;
    if (kind == FOUR) {
        kernels().blocks->add4(work, out, pitch);
    } else {
        kernels().blocks->add_plain4(work, out, pitch);
    }
    std::memset(work, 0, 64);
    rows_[transform] = columns_[transform] = 0;
}

void Residual::add_chroma(u8* out, std::ptrdiff_t pitch, int plane) {
    const int transform = CHROMA + plane;
    if (rows_[transform] == 0) return;
    i32* work = work_ + 256 + 64 * plane;
    kernels().blocks->add8(work, rows_[transform], columns_[transform], out, pitch);
    std::memset(work, 0, 32 * rows_[transform]);
    rows_[transform] = columns_[transform] = 0;
}

}  // namespace sc
