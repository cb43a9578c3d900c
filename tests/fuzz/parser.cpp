// SPDX-License-Identifier: Apache-2.0
// Fuzz target: a packet's payload through the parser. Anything may be refused; nothing may be read or
// written out of bounds, and what is accepted must survive being written and read again.
//
// Takes whole packets, so that real ones serve as seeds, but checks neither CRC nor version. Inter
// packets do not say how large a picture is: here bytes of their reference's name do.
#include <cstring>

#include "entropy/damaged.hpp"
#include "entropy/symbols.hpp"
#include "material.hpp"
#include "syntax.hpp"

namespace {

using namespace sc;

constexpr int MOST_SIDE = 16;  // in blocks: large enough for all squares, small enough to be quick

void parse(const u8* packet, std::size_t size) {
    static const Tables tables;
    static const std::vector<Context> fresh = fresh_contexts();
    const bool key = packet[0] & 1;
    const std::size_t header = key ? KEY_HEADER : INTER_HEADER;
    if (size < header + CRC) return;
    const int rows = (key ? packet[12] / 16 : packet[2]) % MOST_SIDE + 1;
    const int columns = (key ? packet[10] / 16 : packet[3]) % MOST_SIDE + 1;
    const std::span<const u8> payload(packet + header, size - header - CRC);

    // A reference of any kind that our own side could hold.
    SaidBlocks before(rows, columns);
    Noise next{static_cast<u32>(packet[4] | packet[5] << 8)};
    for (auto& count : before.counts) count = static_cast<u8>(next() % (GROUPS + 1));
    for (auto& vector : before.field) {
        if (next() % 4 == 0) vector = {static_cast<i16>(next() % 97), static_cast<i16>(next())};
    }
    const Known known{before.view().field, before.view().counts, packet[1] % 3};

    std::vector<Context> contexts = fresh;
    SaidBlocks found(rows, columns);
    KindsSoFar so_far;
    RansReader reader(payload);
    read_blocks(reader, contexts, key, found.view(), known, so_far);
    if (packet[1] >> 6) {
        std::vector<u8> flags(2 * rows * columns);
        const std::span<u8> all(flags);
        read_areas(reader, contexts, all.first(rows * columns), all.last(rows * columns));
    }

    Intervals list;
    std::vector<Context> writers = fresh, readers = fresh;
    SaidBlocks written = found, again(rows, columns);
    write_blocks(list, writers, key, written.view(), known, so_far);
    require(written == found);
    const std::vector<u8> bytes = list.encode();
    RansReader second(bytes);
    read_blocks(second, readers, key, again.view(), known, so_far);
    require(again == found && second.finished());
    require(std::memcmp(writers.data(), readers.data(), CONTEXTS * sizeof(Context)) == 0);

    std::vector<u8> which(CHANNELS);
    std::vector<i16> values(CHANNELS), back(CHANNELS);
    for (const u8 count : found.counts) {
        const auto read = [&](RansReader& from, std::vector<i16>& symbols) {
            for (int group = 0; group < count; ++group) {
                const int first = GROUP_STARTS[group];
                get_symbols(from, which.data() + first, GROUP_STARTS[group + 1] - first, tables.rows,
                            symbols.data() + first);
            }
        };
        for (auto& table : which) table = static_cast<u8>(next() % TABLES);
        read(reader, values);
        Backwards out;
        put_groups(out, Grid<const u8>{&count, 1, 1}, values.data(), which.data(), tables.rows);
        const std::vector<u8> coded = out.finish();
        RansReader third(coded);
        read(third, back);
        // Beyond what an encoder writes, an escape may wrap round to another symbol.
        for (int k = 0; k < GROUP_STARTS[count]; ++k) {
            require(back[k] == values[k] || std::abs(values[k]) > 30'000);
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
