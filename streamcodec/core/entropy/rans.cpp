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

constexpr std::size_t FEWEST_WORDS = 4096;

// Division by multiplication: for x below 2**47 and a frequency of 2 to 2**15 the high half of
// x * (floor(2**64 / frequency) + 1) is x / frequency exactly. A table, because a division per
// interval would wait for the one before it. For a frequency of 1 the product gives x - 1: `step`
// puts that right.
struct Inverses {
    std::vector<u64> of;
    Inverses() : of(TOTAL + 1, ~0ull) {
        for (u64 frequency = 2; frequency <= TOTAL; ++frequency) {
            of[frequency] = ~0ull / frequency + 1;
        }
    }
};

}  // namespace

Backwards::Backwards() {
    static const Inverses inverses;
    inverses_ = inverses.of.data();
}

// Words are filled from the end; much of them is never touched.
void Backwards::grow(std::size_t more) {
    const std::size_t held = static_cast<std::size_t>(end_ - first_);
    const std::size_t capacity = 2 * held + more + FEWEST_WORDS;
    std::unique_ptr<u16[]> larger(new u16[capacity]);
    u16* const end = larger.get() + capacity;
    if (held) std::copy_n(first_, held, end - held);
    words_ = std::move(larger);
    end_ = end;
    first_ = end - held;
}

std::vector<u8> Backwards::finish() {
    room(0);
    const bool whole = first_ != end_ || x_ >> 32;
    if (whole) *--first_ = static_cast<u16>(x_ >> 32);
    *--first_ = static_cast<u16>(x_ >> 16);
    *--first_ = static_cast<u16>(x_);
    std::vector<u8> bytes(2 * (end_ - first_));
    const u16* from = first_;
    for (std::size_t i = 0; i < bytes.size(); i += 2, ++from) {
        bytes[i] = static_cast<u8>(*from);
        bytes[i + 1] = static_cast<u8>(*from >> 8);
    }
    return bytes;
}

std::vector<u8> Intervals::encode() const {
    Backwards out;
    put_into(out);
    return out.finish();
}

void Intervals::put_into(Backwards& out) const {
    out.room(size_);
    Backwards own = std::move(out);  // so that loops keep it in registers
    for (std::size_t i = size_; i-- > 0;) own.put(list_[i]);
    out = std::move(own);
}

void Intervals::append(const Intervals& other) {
    const std::size_t count = other.size_;
    if (count == 0) return;
    if (capacity_ - size_ < count) grow(count);
    std::memcpy(list_.get() + size_, other.list_.get(), count * sizeof(u32));
    size_ += count;
}

void Intervals::grow(std::size_t more) {
    const std::size_t capacity = std::max(size_ + more, 2 * capacity_ + 1024);
    std::unique_ptr<u32[]> larger(new u32[capacity]);
    std::copy_n(list_.get(), size_, larger.get());
    list_ = std::move(larger);
    capacity_ = capacity;
}

}  // namespace sc
