// SPDX-License-Identifier: Apache-2.0
#include "entropy/rans.hpp"

#include <algorithm>

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

std::vector<u8> Intervals::encode() const {
    // Filled from the end, turned round at last: how many words there will be shows only then.
    std::vector<u8> bytes;
    bytes.reserve(list_.size() / 2 + 16);
    const auto append = [&bytes](u64 word) {
        bytes.push_back(static_cast<u8>(word >> 8));
        bytes.push_back(static_cast<u8>(word));
    };
    u64 x = SEED;
    for (std::size_t i = list_.size(); i-- > 0;) {
        const u64 frequency = list_[i] & 0xFFFF;
        const u64 start = list_[i] >> 16;
        if (x >= frequency << 32) {
            append(x);
            x >>= 16;
        }
        const u64 quotient = x / frequency;
        x = (quotient << PRECISION_BITS) + (x - quotient * frequency) + start;
    }
    if (!bytes.empty() || x >> 32) append(x >> 32);
    append(x >> 16);
    append(x);
    std::reverse(bytes.begin(), bytes.end());
    return bytes;
}

}  // namespace sc
