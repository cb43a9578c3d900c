// SPDX-License-Identifier: Apache-2.0
#include "blocks/residual.hpp"

#include <bit>
#include <cstring>

#include "blocks/places.hpp"
#include "kernels.hpp"

namespace sc {
namespace {

// Where a channel's coefficient goes, and what it uses.
struct Spot {
    u64 luma;
    u32 chroma;
    u32 place;
};
using Spots = TableOf<Spot, 384>;

enum class Way { WHOLE, EIGHT, FOUR };
constexpr Spots spots(Way way) {
    Spots spots{};
    for (int c = 0; c < 384; ++c) {
        Spot& spot = spots.at[c];
        const int quarter = 16 * quarter_of(c);
        if (is_chroma(c)) {
            const int at = ORDER[c] & 63;
            spot.place = ORDER[c];
            spot.chroma = (1U << (at >> 3) | 256U << (at & 7)) << (ORDER[c] >= 320 ? 16 : 0);
        } else if (way == Way::WHOLE) {
            spot.place = ORDER[c];
            spot.luma = u64{1} << (ORDER[c] >> 4) | u64{65536} << (ORDER[c] & 15);
        } else if (way == Way::EIGHT) {
            spot.place = EIGHT_PLACES[c];
            const int at = spot.place & 63;
            spot.luma = (u64{1} << (at >> 3) | u64{256} << (at & 7)) << quarter;
        } else {
            spot.place = FOUR_PLACES[c];
            spot.luma = u64{1} << (spot.place >> 4 & 3) << quarter;
        }
    }
    return spots;
}
constexpr Spots WHOLE_SPOTS = spots(Way::WHOLE);
constexpr Spots EIGHT_SPOTS = spots(Way::EIGHT);
constexpr Spots FOUR_SPOTS = spots(Way::FOUR);

// One more than the last bit that is set.
int reach(u64 bits) { return static_cast<int>(std::bit_width(bits)); }

// How far the used rows and columns of an 8x8 transform reach.
struct Extent {
    int rows;
    int columns;
};
Extent extent(u64 bits) { return {reach(bits & 255), reach(bits >> 8 & 255)}; }

}  // namespace

void Residual::put(const i16* symbols, const u16* listed, int count, const i32* steps_q3,
                   int split) {
    u64 luma = luma_;
    u32 chroma = chroma_;
    const auto put_at = [&](const Spot& spot, int channel) {
        work_[spot.place] = dequantised(symbols[channel], steps_q3[channel]);
        luma |= spot.luma;
        chroma |= spot.chroma;
    };
    if (split < 2) {
        const Spots& all = split ? EIGHT_SPOTS : WHOLE_SPOTS;
        for (int k = 0; k < count; ++k) put_at(all[listed[k]], listed[k]);
    } else {
        const Spots* of_quarter[5];
        for (int k = 0; k < 4; ++k)
            of_quarter[k] = transform_of(split, k) ? &FOUR_SPOTS : &EIGHT_SPOTS;
        of_quarter[4] = &WHOLE_SPOTS;
        for (int k = 0; k < count; ++k) {
            const int channel = listed[k];
            put_at((*of_quarter[QUARTER_OF[channel]])[channel], channel);
        }
    }
    luma_ = luma;
    chroma_ = chroma;
}

void Residual::put(const i16* symbols, int channels, const i32* steps_q3, int split) {
    u16 listed[CHANNELS];
    const int count = kernels().blocks->nonzero(symbols, channels, listed);
    put(symbols, listed, count, steps_q3, split);
}

void Residual::add_luma(u8* out, std::ptrdiff_t pitch, int split) {
    if (luma_ == 0) return;
    if (split == 0) {
        const int rows = reach(luma_ & 65535), columns = reach(luma_ >> 16);
        kernels().blocks->add16(work_, rows, columns, out, pitch);
        std::memset(work_, 0, 64 * rows);
        luma_ = 0;
        return;
    }
    for (int k = 0; k < 4; ++k) {
        u8* quarter = out + (k >> 1) * 8 * pitch + (k & 1) * 8;
        const int kind = transform_of(split, k);
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
    const auto [rows, columns] = extent(luma_ >> (16 * quarter));
    if (rows == 0) return;
    i32* work = work_ + 64 * quarter;
    kernels().blocks->add8(work, rows, columns, out, pitch);
    std::memset(work, 0, 32 * rows);
    luma_ &= ~(u64{65535} << (16 * quarter));
}

void Residual::add_sixteenth(u8* out, std::ptrdiff_t pitch, int quarter, int part, int kind) {
    const u64 bit = u64{1} << (16 * quarter + part);
    if ((luma_ & bit) == 0) return;
    i32* work = work_ + 64 * quarter + 16 * part;
    if (kind == FOUR) {
        kernels().blocks->add4(work, out, pitch);
    } else {
        kernels().blocks->add_plain4(work, out, pitch);
    }
    std::memset(work, 0, 64);
    luma_ &= ~bit;
}

void Residual::add_chroma(u8* out, std::ptrdiff_t pitch, int plane) {
    const auto [rows, columns] = extent(chroma_ >> (16 * plane));
    if (rows == 0) return;
    i32* work = work_ + 256 + 64 * plane;
    kernels().blocks->add8(work, rows, columns, out, pitch);
    std::memset(work, 0, 32 * rows);
    chroma_ &= ~(65535U << (16 * plane));
}

}  // namespace sc
