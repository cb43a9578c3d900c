// SPDX-License-Identifier: Apache-2.0
#include "entropy/symbols.hpp"

#include "entropy/binary.hpp"
#include "entropy/damaged.hpp"

namespace sc {
namespace {

constexpr int ESCAPE_ORDER = 2;
constexpr int MOST_PREFIX = 12;

void check(const u8* tables, int count) {
    u8 highest = 0;
    for (int i = 0; i < count; ++i) highest = std::max(highest, tables[i]);
    if (highest >= TABLES) throw Outside();
}

// What a magnitude has above ESCAPE.
int get_escape(RansState& stream) {
    int prefix = 0;
    while (get_raw(stream)) {
        if (++prefix > MOST_PREFIX) throw Damaged("a symbol");
    }
    int rest = 1;
    for (int k = 0; k < prefix; ++k) rest = rest << 1 | get_raw(stream);
    --rest;
    for (int k = 0; k < ESCAPE_ORDER; ++k) rest = rest << 1 | get_raw(stream);
    return rest;
}

// The same from its last bit to its first.
void put_escape(Backwards& out, int above) {
    for (int shift = 0; shift < ESCAPE_ORDER; ++shift) out.put(RAW[above >> shift & 1]);
    const int rest = (above >> ESCAPE_ORDER) + 1;
    int prefix = 0;
    for (; rest >> (prefix + 1); ++prefix) out.put(RAW[rest >> prefix & 1]);
    out.put(RAW[0]);
    for (int k = 0; k < prefix; ++k) out.put(RAW[1]);
}

// Intervals that one symbol takes at most.
constexpr int MOST_INTERVALS = 2 + 2 * 14 + 1 + ESCAPE_ORDER;
constexpr int AHEAD = 4;  // blocks: their cache lines are prefetched

// All intervals of the tables, and of raw bits.
struct TableSteps {
    Backwards::Step of[TABLES][MAGNITUDES];
    Backwards::Step raw[2];

    TableSteps(const Backwards& out, Cumulative cumulative) : raw{out.step(RAW[0]), out.step(RAW[1])} {
        for (int table = 0; table < TABLES; ++table) {
            const u16* row = cumulative[table];
            for (int k = 0; k < MAGNITUDES; ++k)
                of[table][k] = out.step(packed(row[k], row[k + 1] - u32{row[k]}));
        }
    }
};

// A group of one block, from its last symbol to its first.
inline void put_symbols(Backwards& out, const i16* symbols, const u8* tables, int count,
                        const TableSteps& steps) {
    for (int i = count; i-- > 0;) {
        const auto& row = steps.of[tables[i]];
        const int value = symbols[i];
        if (value == 0) {
            out.put(row[0]);
            continue;
        }
        const int magnitude = value < 0 ? -value : value;
        if (magnitude >= ESCAPE) put_escape(out, magnitude - ESCAPE);
        out.put(steps.raw[value < 0]);
        out.put(row[std::min(magnitude, ESCAPE)]);
    }
}

}  // namespace

void get_symbols(RansReader& reader, const u8* tables, int count, Cumulative cumulative,
                 i16* out) {
    check(tables, count);
    RansState stream = reader.state;
    for (int i = 0; i < count; ++i) {
        const u16* row = cumulative[tables[i]];
        const u32 at = stream.peek();
        if (at < row[1]) {
            stream.advance(0, row[1]);
            out[i] = 0;
            continue;
        }
        int slot = 1;
        while (slot < ESCAPE && at >= row[slot + 1]) ++slot;
        stream.advance(row[slot], row[slot + 1] - u32{row[slot]});
        const int negative = get_raw(stream);
        const int magnitude = slot == ESCAPE ? ESCAPE + get_escape(stream) : slot;
        out[i] = static_cast<i16>(negative ? -magnitude : magnitude);
    }
    reader.state = stream;
    if (stream.overrun) throw Damaged("its symbols");
}

void put_groups(Backwards& out, Grid<const u8> counts, const i16* symbols, const u8* tables,
                Cumulative cumulative) {
    const TableSteps steps(out, cumulative);
    Backwards own = std::move(out);  // so that loops keep it in registers
    const auto of_block = [&](int row, int column, int group) {
        const int first = GROUP_STARTS[group], size = GROUP_STARTS[group + 1] - first;
        const std::ptrdiff_t at = std::ptrdiff_t{CHANNELS} * (row * counts.columns + column) + first;
        const std::ptrdiff_t ahead = std::max<std::ptrdiff_t>(at - AHEAD * CHANNELS, 0);
        for (int c = 0; c < size; c += 32) __builtin_prefetch(symbols + ahead + c);
        for (int c = 0; c < size; c += 64) __builtin_prefetch(tables + ahead + c);
        check(tables + at, size);
        own.room(static_cast<std::size_t>(size) * MOST_INTERVALS);
        put_symbols(own, symbols + at, tables + at, size, steps);
    };
    for (int group = GROUPS; group-- > 0;) {
        for (int phase = 2; phase-- > 0;) {
            for (int row = counts.rows; row-- > 0;) {
                const int first = (row + phase) & 1;
                const int last = counts.columns - 1;
                for (int column = last - ((last - first) & 1); column >= 0; column -= 2) {
                    if (counts(row, column) > group) of_block(row, column, group);
                }
            }
        }
    }
    out = std::move(own);
}

}  // namespace sc
