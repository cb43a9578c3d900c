// SPDX-License-Identifier: Apache-2.0
// rANS: turns a list of (start, frequency) intervals into bytes and back, at entropy's price.
//
// Asymmetric numeral systems (J. Duda, arXiv 1311.2540; range variant) keep one integer `x` below
// 2**47. Coding a symbol of probability f / 2**15 grows x by 2**15 / f; when x would leave its
// range, its low 16 bits go out as a word, and x stays above 2**31 from then on. The decoder undoes
// the steps in reverse order, so the encoder works on the list from its end. `x` starts at 2**16
// (as high as precision needs: the start is paid for), and the decoder must be back there after
// the last symbol: a free check that nothing was damaged.
//
// Payload: three little-endian words of final state, low word first (two when it has no more and no
// other word follows), then the other words in reading order.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "grid.hpp"

namespace sc {

inline constexpr int PRECISION_BITS = 15;
inline constexpr u32 TOTAL = 1u << PRECISION_BITS;
inline constexpr u64 SEED = 1u << 16;
inline constexpr u64 LOWER_BOUND = 1ull << 31;  // below it a word is taken in, while there is one
inline constexpr int STATE_WORDS = 3;

// The state of a decoder. Small, so that loops can keep it in registers.
struct RansState {
    u64 x = 0;
    const u16* next = nullptr;
    const u16* end = nullptr;
    bool overrun = false;  // a symbol was read beyond the end: no honest stream does

    // Where in [0, 2**15) the next symbol's interval is hit.
    [[nodiscard]] u32 peek() const { return static_cast<u32>(x) & (TOTAL - 1); }
    // Consume the symbol whose interval was found.
    void advance(u32 start, u32 frequency) {
        x = frequency * (x >> PRECISION_BITS) + (x & (TOTAL - 1)) - start;
        if (x < LOWER_BOUND) {
            if (next != end) {
                x = x << 16 | *next++;
            } else if (x < SEED) {
                overrun = true;
            }
        }
    }
};

// Owns a payload's words while it is read.
class RansReader {
  public:
    explicit RansReader(std::span<const u8> payload);
    RansReader(const RansReader&) = delete;
    RansReader& operator=(const RansReader&) = delete;

    RansState state;
    [[nodiscard]] bool overrun() const { return state.overrun; }
    // True when every byte was read, none too many, and the state is back at its start.
    [[nodiscard]] bool finished() const {
        return whole_ && state.x == SEED && state.next == state.end && !state.overrun;
    }

  private:
    std::vector<u16> words_;
    bool whole_;  // no lone byte at the end
};

// An interval as one number, and the two of a raw bit.
constexpr u32 packed(u32 start, u32 frequency) { return start << 16 | frequency; }
inline constexpr u32 RAW[2] = {packed(0, TOTAL / 2), packed(TOTAL / 2, TOTAL / 2)};

// Makes a payload from its last interval to its first.
class Backwards {
  public:
    Backwards();
    // See that so many more intervals may follow.
    void room(std::size_t most) {
        if (static_cast<std::size_t>(first_ - words_.get()) < most + STATE_WORDS) grow(most);
    }
    // An interval, and what it takes to put it.
    struct Step {
        u64 inverse;
        u32 start;
        u32 frequency;
    };
    [[nodiscard]] Step step(u32 interval) const {
        const u32 frequency = interval & 0xFFFF;
        // For a frequency of 1 a product with the inverse gives one less.
        return {inverses_[frequency], (interval >> 16) + (frequency == 1 ? TOTAL - 1 : 0), frequency};
    }
    void put(const Step& step) {
        if (x_ >= u64{step.frequency} << 32) {
            *--first_ = static_cast<u16>(x_);
            x_ >>= 16;
        }
        x_ += high_half(x_, step.inverse) * (TOTAL - step.frequency) + step.start;
    }
    void put(u32 interval) { put(step(interval)); }
    // Nothing may be put after it.
    [[nodiscard]] std::vector<u8> finish();

  private:
    static u64 high_half(u64 a, u64 b) {
        __extension__ using u128 = unsigned __int128;
        return static_cast<u64>(u128{a} * b >> 64);
    }
    void grow(std::size_t more);

    const u64* inverses_;
    std::unique_ptr<u16[]> words_;
    u16* end_ = nullptr;
    u16* first_ = nullptr;
    u64 x_ = SEED;
};

// The list that becomes a payload. It grows, and keeps its memory when it is cleared.
class Intervals {
  public:
    void put(u32 start, u32 frequency) { put(packed(start, frequency)); }
    void put_raw(int bit) { put(RAW[bit != 0]); }
    void put(u32 interval) {
        if (size_ == capacity_) grow(1);
        list_[size_++] = interval;
    }
    void append(const Intervals& other);
    void clear() { size_ = 0; }
    [[nodiscard]] std::size_t size() const { return size_; }
    // Bytes that decode to the intervals, in their order.
    [[nodiscard]] std::vector<u8> encode() const;
    // Put them all, the last one first.
    void put_into(Backwards& out) const;

  private:
    void grow(std::size_t more);

    std::unique_ptr<u32[]> list_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace sc
