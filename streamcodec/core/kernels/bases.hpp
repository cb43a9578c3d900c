// SPDX-License-Identifier: Apache-2.0
// Rows of the DCT, (frequency, sample): floats for the encoder, integers times 2**12 for both ends.
//
// A quarter of a cosine is given as literals, sqrt(2 / N) cos(pi t / 2N); the rest is signs. Row 0 is
// flat, 1 / sqrt(N). A decoder depends on the integers; tests hold both equal to the formula.
#pragma once

#include <stdint.h>

namespace sc {

template <class T, int N>
struct Basis {
    T at[N][N];
};

template <class T, int N>
constexpr Basis<T, N> unfold(const T (&wave)[N + 1], T flat) {
    Basis<T, N> basis{};
    for (int k = 0; k < N; ++k) {
        for (int x = 0; x < N; ++x) {
            int t = (2 * x + 1) * k % (4 * N);
            if (t > 2 * N) t = 4 * N - t;
            basis.at[k][x] = k == 0 ? flat : (t > N ? -wave[2 * N - t] : wave[t]);
        }
    }
    return basis;
}

inline constexpr float WAVE16[17] = {
    0.353553385F, 0.351850927F, 0.346759975F, 0.338329494F, 0.326640755F, 0.311806262F,
    0.293968886F, 0.273300469F, 0.25F, 0.224291891F, 0.196423739F, 0.166663915F, 0.135299027F,
    0.102631129F, 0.0689748451F, 0.0346542932F, 0.0F,
};
inline constexpr int32_t INTEGER_WAVE16[17] = {
    1448, 1441, 1420, 1386, 1338, 1277, 1204, 1119, 1024, 919, 805, 683, 554, 420, 283, 142, 0,
};
inline constexpr Basis<float, 16> D16 = unfold<float, 16>(WAVE16, 0.25F);
inline constexpr Basis<int32_t, 16> B16 =
    unfold<int32_t, 16>(INTEGER_WAVE16, 1024);

inline constexpr float WAVE8[9] = {
    0.5F, 0.490392625F, 0.461939752F, 0.415734798F, 0.353553385F, 0.277785122F, 0.191341713F,
    0.0975451618F, 0.0F,
};
inline constexpr int32_t INTEGER_WAVE8[9] = {
    2048, 2009, 1892, 1703, 1448, 1138, 784, 400, 0,
};
inline constexpr Basis<float, 8> D8 = unfold<float, 8>(WAVE8, 0.353553385F);
inline constexpr Basis<int32_t, 8> B8 =
    unfold<int32_t, 8>(INTEGER_WAVE8, 1448);

inline constexpr float WAVE4[5] = {
    0.707106769F, 0.65328151F, 0.5F, 0.270598054F, 0.0F,
};
inline constexpr int32_t INTEGER_WAVE4[5] = {
    2896, 2676, 2048, 1108, 0,
};
inline constexpr Basis<float, 4> D4 = unfold<float, 4>(WAVE4, 0.5F);
inline constexpr Basis<int32_t, 4> B4 =
    unfold<int32_t, 4>(INTEGER_WAVE4, 2048);

}  // namespace sc
