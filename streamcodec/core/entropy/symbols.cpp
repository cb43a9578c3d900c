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

u32* put_escape(u32* out, int above) {
    const int rest = (above >> ESCAPE_ORDER) + 1;
    int prefix = 0;
    for (; rest >> (prefix + 1); ++prefix) *out++ = RAW[1];
    *out++ = RAW[0];
    for (int shift = prefix; shift-- > 0;) *out++ = RAW[rest >> shift & 1];
    for (int shift = ESCAPE_ORDER; shift-- > 0;) *out++ = RAW[above >> shift & 1];
    return out;
}

// Intervals that one symbol takes at most.
constexpr int MOST_INTERVALS = 2 + 2 * 14 + 1 + ESCAPE_ORDER;
constexpr int PART = 64;  // symbols between two looks at how much room there is

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

Packed::Packed(Cumulative cumulative) {
    for (int table = 0; table < TABLES; ++table) {
        const u16* row = cumulative[table];
        for (int k = 0; k < MAGNITUDES; ++k) of[table][k] = packed(row[k], row[k + 1] - u32{row[k]});
    }
}

void put_symbols(Intervals& out, const i16* symbols, const u8* tables, int count,
                 const Packed& intervals) {
    check(tables, count);
    for (int first = 0; first < count; first += PART) {
        u32* const start = out.room(PART * MOST_INTERVALS);
        u32* at = start;
        const int last = std::min(first + PART, count);
        for (int i = first; i < last; ++i) {
            const int value = symbols[i];
            const int magnitude = value < 0 ? -value : value;
            *at++ = intervals.of[tables[i]][std::min(magnitude, ESCAPE)];
            if (magnitude) {
                *at++ = RAW[value < 0];
                if (magnitude >= ESCAPE) at = put_escape(at, magnitude - ESCAPE);
            }
        }
        out.taken(static_cast<std::size_t>(at - start));
    }
}

void put_groups(Intervals& out, Grid<const u8> counts, const i16* symbols, const u8* tables,
                Cumulative cumulative) {
    const Packed intervals(cumulative);
    for (int group = 0; group < GROUPS; ++group) {
        const int first = GROUP_STARTS[group];
        const int size = GROUP_STARTS[group + 1] - first;
        for (int phase = 0; phase < 2; ++phase) {
            for (int row = 0; row < counts.rows; ++row) {
                for (int column = (row + phase) & 1; column < counts.columns; column += 2) {
                    if (counts(row, column) <= group) continue;
                    const std::ptrdiff_t at =
                        std::ptrdiff_t{CHANNELS} * (row * counts.columns + column) + first;
                    put_symbols(out, symbols + at, tables + at, size, intervals);
                }
            }
        }
    }
}

}  // namespace sc
