// SPDX-License-Identifier: Apache-2.0
#include "entropy/rans.hpp"

#include <algorithm>
#include <cstring>

namespace sc {

RansReader::RansReader(std::span<const u8> payload)
    : words_(std::max<std::size_t>(payload.size() / 2, STATE_WORDS)),
      whole_(payload.size() % 2 == 0) {
    for (std::size_t i = 0; i < payload.size() / 2; ++i) {
        words_[i] = static_cast<u16>(payload[2 * i] | payload[2 * i + 1] << 8);
    }
    state.x = words_[0] | u64{words_[1]} << 16 | u64{words_[2]} << 32;
    state.next = words_.data() + STATE_WORDS;
    state.end = words_.data() + words_.size();
}

namespace {

// Division by multiplication: for x below 2**47 and a frequency of 2 to 2**15 the high half of
// x * (floor(2**64 / frequency) + 1) is x / frequency exactly. A table, because a division per
// interval would wait for the one before it. For a frequency of 1 the product gives x - 1: `encode`
// puts that right.
struct Inverses {
    std::vector<u64> of;
    Inverses() : of(TOTAL + 1, ~0ull) {
        for (u64 frequency = 2; frequency <= TOTAL; ++frequency) {
            of[frequency] = ~0ull / frequency + 1;
        }
    }
};

u64 high_half(u64 a, u64 b) {
    __extension__ using u128 = unsigned __int128;
    return static_cast<u64>(u128{a} * b >> 64);
}

}  // namespace

std::vector<u8> Intervals::encode() const {
    static const Inverses inverses;
    // One word an interval at most, filled from the end; most of it is never touched.
    const std::unique_ptr<u16[]> words(new u16[size_ + STATE_WORDS]);
    u16* const end = words.get() + size_ + STATE_WORDS;
    u16* first = end;
    u64 x = SEED;
    for (std::size_t i = size_; i-- > 0;) {
        const u64 frequency = list_[i] & 0xFFFF;
        const u64 start = (list_[i] >> 16) + (frequency == 1 ? TOTAL - 1 : 0);
        if (x >= frequency << 32) {
            *--first = static_cast<u16>(x);
            x >>= 16;
        }
        const u64 quotient = high_half(x, inverses.of[frequency]);
        x += quotient * (TOTAL - frequency) + start;
    }
    if (first != end || x >> 32) *--first = static_cast<u16>(x >> 32);
    *--first = static_cast<u16>(x >> 16);
    *--first = static_cast<u16>(x);
    std::vector<u8> bytes(2 * (end - first));
    for (std::size_t i = 0; i < bytes.size(); i += 2, ++first) {
        bytes[i] = static_cast<u8>(*first);
        bytes[i + 1] = static_cast<u8>(*first >> 8);
    }
    return bytes;
}

void Intervals::append(const Intervals& other) {
    const std::size_t count = other.size_;
    if (count == 0) return;
    std::memcpy(room(count), other.list_.get(), count * sizeof(u32));
    taken(count);
}

void Intervals::grow(std::size_t more) {
    const std::size_t capacity = std::max(size_ + more, 2 * capacity_ + 1024);
    std::unique_ptr<u32[]> larger(new u32[capacity]);
    std::copy_n(list_.get(), size_, larger.get());
    list_ = std::move(larger);
    capacity_ = capacity;
}

}  // namespace sc
