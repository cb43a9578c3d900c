// SPDX-License-Identifier: Apache-2.0
// lanes.hpp in vectors that gcc and clang know on every (little-endian) processor.
#pragma once

namespace sc::SC_LEVEL {

typedef uint8_t Bytes __attribute__((vector_size(16)));
typedef int8_t SignedBytes __attribute__((vector_size(16)));
typedef int16_t Words __attribute__((vector_size(16)));
typedef uint16_t WholeWords __attribute__((vector_size(16)));
typedef int32_t Longs __attribute__((vector_size(16)));
typedef int64_t Halves __attribute__((vector_size(16)));

#ifdef __clang__
#define SC_PICKED(TYPE, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SC_PICKED(TYPE, a, b, ...) __builtin_shuffle(a, b, (TYPE){__VA_ARGS__})
#endif

struct Eight {
    using V = Words;
    typedef int32_t Ints __attribute__((vector_size(16)));
    typedef float Reals __attribute__((vector_size(16)));
    static constexpr int COUNT = 8;

    static V words(int value) {
        const int16_t w = static_cast<int16_t>(value);
        return V{w, w, w, w, w, w, w, w};
    }
    static V longs(int value) { return (V)Longs{value, value, value, value}; }

    static V load16(const uint8_t* at) { return load<16>(at); }
    static V load8(const uint8_t* at) { return load<8>(at); }
    static V load4(const uint8_t* at) { return load<4>(at); }
    static V load_bytes(const uint8_t* at) { return load<16>(at); }
    static V load_words(const int16_t* at) { return load<16>(at); }
    static V wide(const uint8_t* at) { return wide_low(load8(at)); }
    static void store_bytes(uint8_t* at, V value) { memcpy(at, &value, 16); }
    static void store_words(int16_t* at, V value) { memcpy(at, &value, 16); }
    static void store_longs(int32_t* at, V value) { memcpy(at, &value, 16); }
    static void put(uint8_t* at, V value) {
        const V bytes = pack8(value, value);
        memcpy(at, &bytes, 8);
    }

    static V zip8_low(V a, V b) {
        return (V)SC_PICKED(Bytes, (Bytes)a, (Bytes)b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6,
                            22, 7, 23);
    }
    static V zip8_high(V a, V b) {
        return (V)SC_PICKED(Bytes, (Bytes)a, (Bytes)b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29,
                            14, 30, 15, 31);
    }
    static V zip16_low(V a, V b) { return SC_PICKED(Words, a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
    static V zip16_high(V a, V b) { return SC_PICKED(Words, a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
    static V zip32_low(V a, V b) {
        return (V)SC_PICKED(Longs, (Longs)a, (Longs)b, 0, 4, 1, 5);
    }
    static V zip32_high(V a, V b) {
        return (V)SC_PICKED(Longs, (Longs)a, (Longs)b, 2, 6, 3, 7);
    }
    static V halves_low(V a, V b) { return (V)SC_PICKED(Halves, (Halves)a, (Halves)b, 0, 2); }
    static V halves_high(V a, V b) { return (V)SC_PICKED(Halves, (Halves)a, (Halves)b, 1, 3); }
    template <int... AT>
    static V picked(V bytes) {
        return (V)SC_PICKED(Bytes, (Bytes)bytes, (Bytes)bytes, AT...);
    }
    static V wide_low(V bytes) { return zip8_low(bytes, V{}); }
    static V wide_high(V bytes) { return zip8_high(bytes, V{}); }
    static V pack8(V a, V b) {
        const V low = cut16(a, V{}, words(255));
        const V high = cut16(b, V{}, words(255));
        return (V)SC_PICKED(Bytes, (Bytes)low, (Bytes)high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20,
                            22, 24, 26, 28, 30);
    }
    static V pack16(V a, V b) {
        return SC_PICKED(Words, (V)cut32((Longs)a), (V)cut32((Longs)b), 0, 2, 4, 6, 8, 10, 12, 14);
    }

    static V add16(V a, V b) { return (V)((WholeWords)a + (WholeWords)b); }
    static V sub16(V a, V b) { return (V)((WholeWords)a - (WholeWords)b); }
    static V left16(V a, int by) { return (V)((WholeWords)a << by); }
    static V right16(V a, int by) { return a >> by; }
    static V mean16(V a, V b) { return (V)(((WholeWords)a + (WholeWords)b + 1) >> 1); }
    static V size16(V a) { return a < 0 ? -a : a; }
    static V times16(V a, V b) { return (V)((WholeWords)a * (WholeWords)b); }
    static V within16(V a, V most) { return cut16(a, -most, most); }
    static V greater16(V a, V b) { return (V)(a > b); }
    static V both(V a, V b) { return a & b; }
    static bool none(V a) {
        const Halves halves = (Halves)a;
        return (halves[0] | halves[1]) == 0;
    }
    static V add32(V a, V b) { return (V)((Longs)a + (Longs)b); }
    static V right32(V a, int by) { return (V)((Longs)a >> by); }

    static V byte_products(V bytes, V by) {
        const V even = (bytes & 255) * (V)((V)((WholeWords)by << 8) >> 8);
        const V odd = (V)((WholeWords)bytes >> 8) * (by >> 8);
        return add16(even, odd);
    }
    static V word_products(V sum, V a, V b) {
        const Longs even = even_of(a) * even_of(b);
        const Longs odd = ((Longs)a >> 16) * ((Longs)b >> 16);
        return (V)((Longs)sum + even + odd);
    }

  private:
    template <int COUNT_OF_BYTES>
    static V load(const void* at) {
        V value{};
        memcpy(&value, at, COUNT_OF_BYTES);
        return value;
    }
    static V cut16(V a, V low, V high) {
        a = a < low ? low : a;
        return a > high ? high : a;
    }
    static Longs cut32(Longs a) {
        const Longs low{-32768, -32768, -32768, -32768};
        const Longs high{32767, 32767, 32767, 32767};
        a = a < low ? low : a;
        return a > high ? high : a;
    }
    static Longs even_of(V a) {
        typedef uint32_t WholeLongs __attribute__((vector_size(16)));
        return (Longs)((WholeLongs)a << 16) >> 16;
    }
};
using Most = Eight;
using Widest = Eight;

}  // namespace sc::SC_LEVEL
