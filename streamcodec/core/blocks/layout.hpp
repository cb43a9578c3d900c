// SPDX-License-Identifier: Apache-2.0
// How the 384 samples of a 16x16 block become 384 channels ordered by frequency (layout.py).
//
// Fixed-width integers only, so that kernels may include it, too.
#pragma once

#include <stdint.h>

namespace sc {

// Channel -> position: luma 0 to 255, U 256 to 319, V 320 to 383, row by row. Sorted by squared
// frequency, chroma behind luma of equal size on the picture (1.3 times); a decoder depends on it.
inline constexpr uint16_t ORDER[384] = {
    0, 1, 16, 17, 2, 32, 18, 33, 256, 320, 34, 3, 48, 19, 49, 257,
    264, 321, 328, 35, 50, 265, 329, 4, 64, 20, 65, 51, 36, 66, 5, 52,
    67, 80, 258, 272, 322, 336, 21, 81, 37, 82, 266, 273, 330, 337, 68, 53,
    83, 6, 96, 22, 97, 38, 98, 69, 84, 54, 99, 274, 338, 7, 112, 23,
    85, 113, 259, 280, 323, 344, 70, 100, 39, 114, 267, 281, 331, 345, 55, 115,
    86, 101, 8, 128, 24, 71, 116, 129, 40, 130, 102, 275, 282, 339, 346, 56,
    131, 87, 117, 72, 132, 9, 144, 25, 145, 41, 103, 118, 146, 260, 288, 324,
    352, 88, 133, 57, 147, 268, 289, 332, 353, 73, 148, 119, 283, 347, 10, 104,
    134, 160, 26, 161, 42, 162, 89, 149, 58, 163, 276, 290, 340, 354, 120, 135,
    74, 164, 105, 150, 11, 176, 27, 177, 43, 90, 165, 178, 136, 59, 121, 151,
    179, 261, 284, 291, 296, 325, 348, 355, 360, 106, 166, 75, 180, 269, 297, 333,
    361, 12, 192, 28, 137, 152, 193, 91, 181, 44, 194, 122, 167, 60, 195, 277,
    298, 341, 362, 107, 182, 76, 196, 153, 138, 168, 13, 92, 197, 208, 29, 123,
    183, 209, 292, 356, 45, 210, 61, 211, 108, 198, 154, 169, 285, 299, 349, 363,
    77, 139, 184, 212, 262, 304, 326, 368, 124, 199, 93, 213, 14, 224, 30, 225,
    270, 305, 334, 369, 46, 170, 226, 155, 185, 62, 109, 214, 227, 140, 200, 78,
    228, 278, 306, 342, 370, 125, 215, 293, 300, 357, 364, 94, 171, 186, 229, 15,
    156, 201, 240, 31, 241, 47, 242, 110, 230, 141, 216, 63, 243, 286, 307, 350,
    371, 79, 244, 187, 172, 202, 126, 231, 95, 157, 217, 245, 263, 312, 327, 376,
    142, 232, 111, 246, 188, 203, 271, 301, 313, 335, 365, 377, 173, 218, 127, 247,
    294, 308, 358, 372, 158, 233, 279, 314, 343, 378, 204, 143, 248, 189, 219, 174,
    234, 159, 249, 287, 315, 351, 379, 205, 220, 190, 235, 302, 309, 366, 373, 175,
    250, 221, 206, 236, 295, 316, 359, 380, 191, 251, 222, 237, 207, 252, 310, 374,
    303, 317, 367, 381, 238, 223, 253, 239, 254, 311, 318, 375, 382, 255, 319, 383,
};

template <class T, int COUNT>
struct TableOf {
    T at[COUNT];
    constexpr T operator[](int index) const { return at[index]; }
};

// Position -> channel.
inline constexpr TableOf<uint16_t, 384> CHANNEL_OF = [] {
    TableOf<uint16_t, 384> table{};
    for (int c = 0; c < 384; ++c) table.at[ORDER[c]] = static_cast<uint16_t>(c);
    return table;
}();

constexpr bool is_chroma(int channel) { return ORDER[channel] >= 256; }

// Band of each channel: what the prior sums up of a neighbouring block. A band never spans two
// groups, so that it is known as soon as its group is.
inline constexpr TableOf<uint8_t, 384> BAND = [] {
    constexpr int starts[5] = {0, 6, 24, 96, 384};
    TableOf<uint8_t, 384> table{};
    int following = 0;
    for (int g = 0; g < 4; ++g) {
        int luma = 0;
        for (int c = starts[g]; c < starts[g + 1]; ++c) luma += is_chroma(c) ? 0 : 1;
        const int third = g == 0 ? 1 : luma / 2;
        const bool chroma = luma < starts[g + 1] - starts[g];
        int seen = 0;
        for (int c = starts[g]; c < starts[g + 1]; ++c) {
            const int part = is_chroma(c) ? 2 : (seen++ < third ? 0 : 1);
            table.at[c] = static_cast<uint8_t>(following + part);
        }
        following += chroma ? 3 : 2;
    }
    return table;
}();
inline constexpr int BANDS = 11;

}  // namespace sc
