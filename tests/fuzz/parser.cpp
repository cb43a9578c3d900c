// SPDX-License-Identifier: Apache-2.0
// Fuzz target: a packet's payload through the parser. Anything may be refused; nothing may be read or
// written out of bounds, and what is accepted must survive being written and read again.
//
// Takes whole packets, so that real ones serve as seeds, but checks neither CRC nor version. Inter
// packets do not say how large a picture is: here bytes of their reference's name do.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "entropy/damaged.hpp"
#include "entropy/symbols.hpp"
#include "syntax.hpp"

namespace {

using namespace sc;

constexpr int MOST_SIDE = 16;  // in blocks: large enough for all squares, small enough to be quick
constexpr std::size_t KEY_HEADER = 14, INTER_HEADER = 6, CRC = 4;

struct Picture {
    int rows, columns;
    std::vector<u8> modes, counts, splits;
    std::vector<i8> intra_modes;
    std::vector<Vector> field;

    Picture(int height, int width)
        : rows(height), columns(width), modes(height * width), counts(modes), splits(modes),
          intra_modes(4 * height * width), field(4 * height * width) {}
    Blocks view() {
        return {{modes.data(), rows, columns}, {field.data(), 2 * rows, 2 * columns},
                {intra_modes.data(), 2 * rows, 2 * columns}, {counts.data(), rows, columns},
                {splits.data(), rows, columns}};
    }
    bool operator==(const Picture&) const = default;
};

std::vector<Context> fresh_contexts() {
    std::vector<Context> contexts(CONTEXTS);
    constexpr u32 EQUAL = (1u << 31) + (1u << 16) / INPUTS;
    for (int name = 0; name < FAMILIES; ++name) {
        const int first = BASES.first[name][3], count = MIXED[name].sizes[3] * INPUTS;
        for (int k = first; k < first + count; ++k) {
            contexts[k] = {static_cast<u16>(EQUAL >> 16), static_cast<u16>(EQUAL & 0xFFFF)};
        }
    }
    return contexts;
}

// Tables from almost sure of a zero to flat.
struct Tables {
    u16 rows[TABLES][MAGNITUDES + 1];
    Tables() {
        for (int table = 0; table < TABLES; ++table) {
            const u32 zero = TOTAL - (TOTAL - MAGNITUDES) * (table + 1) / TABLES;
            rows[table][0] = 0;
            for (u32 k = 0; k < MAGNITUDES; ++k) {
                rows[table][k + 1] = static_cast<u16>(zero + (TOTAL - zero) * k / ESCAPE);
            }
        }
    }
};

void require(bool fine) {
    if (!fine) std::abort();
}

void parse(const u8* packet, std::size_t size) {
    static const Tables tables;
    static const Packed intervals(tables.rows);
    static const std::vector<Context> fresh = fresh_contexts();
    const bool key = packet[0] & 1;
    const std::size_t header = key ? KEY_HEADER : INTER_HEADER;
    if (size < header + CRC) return;
    const int rows = (key ? packet[12] / 16 : packet[2]) % MOST_SIDE + 1;
    const int columns = (key ? packet[10] / 16 : packet[3]) % MOST_SIDE + 1;
    const std::span<const u8> payload(packet + header, size - header - CRC);

    // A reference of any kind that our own side could hold.
    Picture before(rows, columns);
    u32 noise = packet[4] | packet[5] << 8;
    const auto next = [&noise] { return noise = noise * 1664525 + 1013904223, noise >> 16; };
    for (auto& count : before.counts) count = static_cast<u8>(next() % (GROUPS + 1));
    for (auto& vector : before.field) {
        if (next() % 4 == 0) vector = {static_cast<i16>(next() % 97), static_cast<i16>(next())};
    }
    const Known known{before.view().field, before.view().counts, packet[1] % 3};

    std::vector<Context> contexts = fresh;
    Picture found(rows, columns);
    Said said;
    RansReader reader(payload);
    read_blocks(reader, contexts, key, found.view(), known, said);
    if (packet[1] >> 6) {
        std::vector<u8> flags(2 * rows * columns);
        const Areas all(flags);
        read_areas(reader, contexts, all.first(rows * columns), all.last(rows * columns));
    }

    Intervals list;
    std::vector<Context> writers = fresh, readers = fresh;
    Picture written = found, again(rows, columns);
    write_blocks(list, writers, key, written.view(), known, said);
    require(written == found);
    const std::vector<u8> bytes = list.encode();
    RansReader second(bytes);
    read_blocks(second, readers, key, again.view(), known, said);
    require(again == found && second.finished());
    require(std::memcmp(writers.data(), readers.data(), CONTEXTS * sizeof(Context)) == 0);

    for (const u8 count : found.counts) {
        for (int group = 0; group < count; ++group) {
            const int symbols = GROUP_STARTS[group + 1] - GROUP_STARTS[group];
            std::vector<u8> which(symbols);
            for (auto& table : which) table = static_cast<u8>(next() % TABLES);
            std::vector<i16> values(symbols), back(symbols);
            get_symbols(reader, which.data(), symbols, tables.rows, values.data());
            list.clear();
            put_symbols(list, values.data(), which.data(), symbols, intervals);
            const std::vector<u8> coded = list.encode();
            RansReader third(coded);
            get_symbols(third, which.data(), symbols, tables.rows, back.data());
            // Beyond what an encoder writes, an escape may wrap round to another symbol.
            for (int k = 0; k < symbols; ++k) {
                require(back[k] == values[k] || std::abs(values[k]) > 30'000);
            }
        }
    }
    (void)reader.finished();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < INTER_HEADER) return 0;
    try {
        parse(data, size);
    } catch (const sc::Damaged&) {
    }
    return 0;
}
