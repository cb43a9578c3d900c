// SPDX-License-Identifier: Apache-2.0
// The two coders that a traversal of the blocks is given. Both take each bit's value (a parser ignores
// it) and return the value that was coded.
#pragma once

#include "entropy/mixing.hpp"
#include "entropy/rans.hpp"

namespace sc {

struct BitWriter {
    static constexpr bool READS = false;
    Intervals& out;
    Contexts contexts;

    int mixed(const Mixture& by, int bit) {
        put_mixed(out, contexts, by, bit);
        return bit;
    }
    int single(int context, int bit) {
        put_bit(out, contexts[context], bit);
        return bit;
    }
    int raw(int bit) {
        out.put_raw(bit);
        return bit;
    }
};

struct BitParser {
    static constexpr bool READS = true;
    RansState& stream;
    Contexts contexts;

    int mixed(const Mixture& by, int) { return get_mixed(stream, contexts, by); }
    int single(int context, int) { return get_bit(stream, contexts[context]); }
    int raw(int) { return get_raw(stream); }
};

}  // namespace sc
