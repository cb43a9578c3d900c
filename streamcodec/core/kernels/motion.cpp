// SPDX-License-Identifier: Apache-2.0
#include "kernels/motion.hpp"

#include "kernels/lanes.hpp"

namespace sc::SC_LEVEL {

namespace {

// --- sums of absolute differences -----------------------------------------------------------

#if defined(__AVX2__)
SC_INLINE __m256i two_rows(const uint8_t* at, ptrdiff_t pitch) {
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)at)),
        _mm_loadu_si128((const __m128i*)(at + pitch)), 1);
}
SC_INLINE int sum(__m256i sums) {
    const __m128i two =
        _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    return _mm_cvtsi128_si32(two) + _mm_extract_epi32(two, 2);
}
#endif

template <int COUNT>
SC_INLINE void sads16(const uint8_t* source, const uint8_t* const* others, ptrdiff_t pitch,
                      int* out) {
#if defined(__AVX2__)
    __m256i sums[COUNT];
    for (int k = 0; k < COUNT; ++k) sums[k] = _mm256_setzero_si256();
    for (int i = 0; i < 16; i += 2) {
        const __m256i own = _mm256_loadu_si256((const __m256i*)(source + 16 * i));
        for (int k = 0; k < COUNT; ++k) {
            sums[k] = _mm256_add_epi32(
                sums[k], _mm256_sad_epu8(own, two_rows(others[k] + i * pitch, pitch)));
        }
    }
    for (int k = 0; k < COUNT; ++k) out[k] = sum(sums[k]);
#elif defined(__SSE4_1__)
    __m128i sums[COUNT];
    for (int k = 0; k < COUNT; ++k) sums[k] = _mm_setzero_si128();
    for (int i = 0; i < 16; ++i) {
        const __m128i own = _mm_loadu_si128((const __m128i*)(source + 16 * i));
        for (int k = 0; k < COUNT; ++k) {
            const __m128i other = _mm_loadu_si128((const __m128i*)(others[k] + i * pitch));
            sums[k] = _mm_add_epi32(sums[k], _mm_sad_epu8(own, other));
        }
    }
    for (int k = 0; k < COUNT; ++k) {
        out[k] = _mm_cvtsi128_si32(sums[k]) + _mm_extract_epi32(sums[k], 2);
    }
#else
    for (int k = 0; k < COUNT; ++k) {
        int total = 0;
        for (int i = 0; i < 16; ++i) {
            for (int j = 0; j < 16; ++j) {
                const int d = source[16 * i + j] - others[k][i * pitch + j];
                total += d < 0 ? -d : d;
            }
        }
        out[k] = total;
    }
#endif
}

template <int COUNT>
SC_INLINE void sads8(const uint8_t* source, const uint8_t* const* others, ptrdiff_t pitch,
                     int* out) {
#if defined(__SSE4_1__)
    __m128i sums[COUNT];
    for (int k = 0; k < COUNT; ++k) sums[k] = _mm_setzero_si128();
    for (int i = 0; i < 8; i += 2) {
        const __m128i own =
            _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i*)(source + 16 * i)),
                               _mm_loadl_epi64((const __m128i*)(source + 16 * i + 16)));
        for (int k = 0; k < COUNT; ++k) {
            const uint8_t* at = others[k] + i * pitch;
            const __m128i other = _mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i*)at),
                                                     _mm_loadl_epi64((const __m128i*)(at + pitch)));
            sums[k] = _mm_add_epi32(sums[k], _mm_sad_epu8(own, other));
        }
    }
    for (int k = 0; k < COUNT; ++k) {
        out[k] = _mm_cvtsi128_si32(sums[k]) + _mm_extract_epi32(sums[k], 2);
    }
#else
    for (int k = 0; k < COUNT; ++k) {
        int total = 0;
        for (int i = 0; i < 8; ++i) {
            for (int j = 0; j < 8; ++j) {
                const int d = source[16 * i + j] - others[k][i * pitch + j];
                total += d < 0 ? -d : d;
            }
        }
        out[k] = total;
    }
#endif
}

int sad16(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch) {
    int out;
    sads16<1>(source, &other, pitch, &out);
    return out;
}

int sad8(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch) {
    int out;
    sads8<1>(source, &other, pitch, &out);
    return out;
}

void sad16_of_four(const uint8_t* source, const uint8_t* const* others, ptrdiff_t pitch,
                   int* out) {
    sads16<4>(source, others, pitch, out);
}

void sad8_of_four(const uint8_t* source, const uint8_t* const* others, ptrdiff_t pitch, int* out) {
    sads8<4>(source, others, pitch, out);
}

int squared16(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch) {
    int total = 0;
    for (int i = 0; i < 16; ++i) {
        for (int j = 0; j < 16; ++j) {
            const int16_t d = (int16_t)(source[16 * i + j] - other[i * pitch + j]);
            total += d * d;
        }
    }
    return total;
}

template <int SIZE>
SC_INLINE void means(const uint8_t* a, const uint8_t* b, ptrdiff_t pitch, uint8_t* __restrict out) {
    for (int i = 0; i < SIZE; ++i) {
        for (int j = 0; j < SIZE; ++j) {
            out[16 * i + j] =
                static_cast<uint8_t>((a[i * pitch + j] + b[i * pitch + j] + 1) >> 1);
        }
    }
}

void mean(const uint8_t* a, const uint8_t* b, ptrdiff_t pitch, int size, uint8_t* out) {
    size == 16 ? means<16>(a, b, pitch, out) : means<8>(a, b, pitch, out);
}

int sad_of_mean(const uint8_t* source, const uint8_t* a, const uint8_t* b, ptrdiff_t pitch, int size) {
#if defined(__AVX2__)
    if (size == 16) {
        __m256i sums = _mm256_setzero_si256();
        for (int i = 0; i < 16; i += 2) {
            const __m256i own = _mm256_loadu_si256((const __m256i*)(source + 16 * i));
            const __m256i other =
                _mm256_avg_epu8(two_rows(a + i * pitch, pitch), two_rows(b + i * pitch, pitch));
            sums = _mm256_add_epi32(sums, _mm256_sad_epu8(own, other));
        }
        return sum(sums);
    }
#endif
    uint8_t room[16 * 16];
    mean(a, b, pitch, size, room);
    return size == 16 ? sad16(source, room, 16) : sad8(source, room, 16);
}

// --- Hadamard -------------------------------------------------------------------------------

// Differences of rows: a group of eight lanes holds eight of an 8x8 block, so that Sixteen is a row
// of two blocks side by side, ThirtyTwo those and the row eight below them.
SC_INLINE Eight::V differences(Eight, const uint8_t* a, const uint8_t* b, ptrdiff_t pitch, int row) {
    return Eight::sub16(Eight::wide(a + 16 * row), Eight::wide(b + row * pitch));
}
#if defined(__AVX2__) && defined(SC_LANES_X86)
SC_INLINE Sixteen::V differences(Sixteen, const uint8_t* a, const uint8_t* b, ptrdiff_t pitch,
                                 int row) {
    return Sixteen::sub16(Sixteen::wide(a + 16 * row), Sixteen::wide(b + row * pitch));
}
#if defined(__AVX512BW__)
SC_INLINE ThirtyTwo::V differences(ThirtyTwo, const uint8_t* a, const uint8_t* b, ptrdiff_t pitch,
                                   int row) {
    return ThirtyTwo::sub16(_mm512_cvtepu8_epi16(two_rows(a + 16 * row, 16 * 8)),
                            _mm512_cvtepu8_epi16(two_rows(b + row * pitch, 8 * pitch)));
}
#endif
#endif

template <class L>
SC_INLINE void butterflies(typename L::V (&r)[8]) {
    for (int half = 4; half; half >>= 1) {
        for (int base = 0; base < 8; base += 2 * half) {
            for (int k = base; k < base + half; ++k) {
                const auto a = r[k], b = r[k + half];
                r[k] = L::add16(a, b);
                r[k + half] = L::sub16(a, b);
            }
        }
    }
}

template <class L>
SC_INLINE void transpose(typename L::V (&r)[8]) {
    const auto a0 = L::zip16_low(r[0], r[1]), a1 = L::zip16_high(r[0], r[1]);
    const auto a2 = L::zip16_low(r[2], r[3]), a3 = L::zip16_high(r[2], r[3]);
    const auto a4 = L::zip16_low(r[4], r[5]), a5 = L::zip16_high(r[4], r[5]);
    const auto a6 = L::zip16_low(r[6], r[7]), a7 = L::zip16_high(r[6], r[7]);
    const auto b0 = L::zip32_low(a0, a2), b1 = L::zip32_high(a0, a2);
    const auto b2 = L::zip32_low(a1, a3), b3 = L::zip32_high(a1, a3);
    const auto b4 = L::zip32_low(a4, a6), b5 = L::zip32_high(a4, a6);
    const auto b6 = L::zip32_low(a5, a7), b7 = L::zip32_high(a5, a7);
    r[0] = L::halves_low(b0, b4), r[1] = L::halves_high(b0, b4);
    r[2] = L::halves_low(b1, b5), r[3] = L::halves_high(b1, b5);
    r[4] = L::halves_low(b2, b6), r[5] = L::halves_high(b2, b6);
    r[6] = L::halves_low(b3, b7), r[7] = L::halves_high(b3, b7);
}

// Estimated cost of L::COUNT / 8 8x8 blocks, each in four partial sums of its own, added and rounded
// down by block: the differences are below 256, so 64 of them fit into int16 through both passes.
template <class L>
SC_INLINE int hadamard_sum(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch, int below,
                     BitWeights bit_weights) {
    using Ints = typename L::Ints;
    using Reals = typename L::Reals;
    typename L::V r[8];
    for (int i = 0; i < 8; ++i) r[i] = differences(L(), source, other, pitch, below + i);
    butterflies<L>(r);
    transpose<L>(r);
    butterflies<L>(r);
    Reals total = {};
    for (int i = 0; i < 8; ++i) {
        const Ints two = (Ints)L::size16(r[i]);
        const Reals even = __builtin_convertvector(two & 0xFFFF, Reals);
        const Reals odd = __builtin_convertvector(two >> 16, Reals);
        const Reals coded = (Reals){} + bit_weights.coded;
        const Reals even_each = even * bit_weights.dropped, odd_each = odd * bit_weights.dropped;
        total += even * (even_each < coded ? even_each : coded) +
                 odd * (odd_each < coded ? odd_each : coded);
    }
    float partial[L::COUNT / 2];
    memcpy(partial, &total, sizeof partial);
    int sum = 0;
    for (int k = 0; k < L::COUNT / 2; k += 4) {
        sum += static_cast<int>((partial[k] + partial[k + 1]) + (partial[k + 2] + partial[k + 3]));
    }
    return sum;
}

int hadamard8(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch, BitWeights bit_weights) {
    return hadamard_sum<Eight>(source, other, pitch, 0, bit_weights);
}

int hadamard16(const uint8_t* source, const uint8_t* other, ptrdiff_t pitch, BitWeights bit_weights) {
#if defined(__AVX512BW__)
    return hadamard_sum<ThirtyTwo>(source, other, pitch, 0, bit_weights);
#elif defined(__AVX2__)
    return hadamard_sum<Sixteen>(source, other, pitch, 0, bit_weights) +
           hadamard_sum<Sixteen>(source, other, pitch, 8, bit_weights);
#else
    int total = 0;
    for (int k = 0; k < 4; ++k) {
        const int down = 8 * (k >> 1), right = 8 * (k & 1);
        total += hadamard8(source + 16 * down + right, other + down * pitch + right, pitch, bit_weights);
    }
    return total;
#endif
}

}  // namespace

void shift_tile(const uint8_t* whole, ptrdiff_t pitch, uint8_t* const* planes);
void halve_tile(const uint8_t* whole, ptrdiff_t pitch, uint8_t* const* planes);

extern const MotionKernels motion_kernels;
const MotionKernels motion_kernels = {sad16,       sad8,      sad16_of_four, sad8_of_four,
                                      sad_of_mean, squared16, hadamard16,    hadamard8,
                                      mean,        shift_tile, halve_tile};

}  // namespace sc::SC_LEVEL
