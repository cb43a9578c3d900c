// SPDX-License-Identifier: Apache-2.0
// Fuzz target: the whole decoder, as streamcodec/decoder.py calls it. A packet's payload becomes
// blocks, areas and symbols, then a picture: prediction, residual, deblocking, loop filter. Its state
// is the next frame's reference, to which the same payload is decoded again as an inter frame.
//
// A payload may be refused as Damaged; any other error, a sanitizer's report, or samples that depend
// on threads are a finding. The prior is a small one of seeded weights, so that symbols of real
// packets come out as others; CRC, version, names and the payload's end are not checked.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>

#include "blocks/layout.hpp"
#include "blocks/rebuild.hpp"
#include "entropy/damaged.hpp"
#include "material.hpp"
#include "pictures/deblock.hpp"
#include "pictures/loopfilter.hpp"
#include "pictures/overlap.hpp"
#include "pool.hpp"
#include "prior/prior.hpp"
#include "syntax.hpp"

namespace {

using namespace sc;

constexpr int MOST_SIDE = 10;  // in blocks: more than two areas, and all of the seeds
constexpr int HIDDEN = 16;
constexpr int FILTER_BANDS = 8;

struct Picture {
    std::vector<u8> y, u, v;

    Picture(int rows, int columns)
        : y(256 * rows * columns), u(64 * rows * columns), v(u) {}
    Planes view(int rows, int columns) {
        return {{y.data(), 16 * rows, 16 * columns}, {u.data(), 8 * rows, 8 * columns},
                {v.data(), 8 * rows, 8 * columns}};
    }
    bool operator==(const Picture&) const = default;
};

// As streamcodec/state.py has it.
struct State {
    Picture picture;
    std::vector<Vector> field;
    std::vector<u8> counts, memory;
    std::vector<Context> contexts;
    int quality;
};

struct Model {
    Prior prior;
    Tables tables;
    std::vector<Context> contexts = fresh_contexts();
    i16 filter[2][FILTER_BANDS][2][FILTER_CLASSES][FILTER_PAIRS];

    Model() {
        Noise noise{2};
        for (int kind = 0; kind < 2; ++kind)
            for (int group = 0; group < GROUPS; ++group)
                for (auto& stack : prior.stacks[kind][group]) stack = seeded(kind, group, noise);
        for (i16* weight = &filter[0][0][0][0][0]; weight != &filter[2][0][0][0][0]; ++weight) {
            *weight = static_cast<i16>(noise() % 32 ? noise() % 65 - 32 : noise());
        }
    }

    static Stack seeded(int kind, int group, Noise& noise) {
        const int inputs = kind == 0 ? KEY_FEATURES : INTER_FEATURES;
        const int channels = GROUP_STARTS[group + 1] - GROUP_STARTS[group];
        const auto weights = [&noise](int rows, int columns) {
            std::vector<i8> out(rows * columns);
            for (auto& one : out) one = static_cast<i8>(noise() % 255 - 127);
            return out;
        };
        const auto biases = [&noise](int count, u32 below) {
            std::vector<i32> out(count);
            for (auto& one : out) one = static_cast<i32>(noise() % below);
            return out;
        };
        const auto w1 = weights(inputs, HIDDEN), w2 = weights(HIDDEN, HIDDEN);
        const auto w3 = weights(HIDDEN, channels);
        const auto b1 = biases(QUALITY_COUNT * HIDDEN, 1 << 15), b2 = biases(HIDDEN, 1 << 14);
        const auto b3 = biases(QUALITY_COUNT * channels, 64 * 256);
        return Stack(kind == 0, group, {w1.data(), inputs, HIDDEN}, {w2.data(), HIDDEN, HIDDEN},
                     {w3.data(), HIDDEN, channels}, {b1.data(), QUALITY_COUNT, HIDDEN}, b2,
                     {b3.data(), QUALITY_COUNT, channels});
    }
};

// As blocks/transform.py has them.
int step_of(double index) { return static_cast<int>(std::lround(12 * std::exp2(index / 8))); }
int luma_step(int quality) { return step_of(63 - quality); }
int chroma_step(int quality) {
    return std::max(step_of(63 - quality - std::max(0, 52 - quality) * 6 / 16.0), 12);
}

// One decoder's memory from frame to frame.
struct Workspace {
    KindsSoFar so_far;
    PriorWorkspace prior;
    FilterWorkspace filter;
};

struct Frame {
    int rows, columns, quality, strength;
    std::span<const u8> payload;
};

// Throws Damaged. `before` is null for a keyframe.
State decode(const Model& model, const Frame& frame, const State* before, Workspace& workspace,
             Pool* pool) {
    const int rows = frame.rows, columns = frame.columns, count = rows * columns;
    const bool key = before == nullptr;
    static const std::vector<Vector> no_field(4 * MOST_SIDE * MOST_SIDE);
    static const std::vector<u8> no_memory(MOST_SIDE * MOST_SIDE * CHANNELS);
    const int old = key ? frame.quality : before->quality;
    const Vector* const field = key ? no_field.data() : before->field.data();
    const Grid<const u8> memory(key ? no_memory.data() : before->memory.data(), count, CHANNELS);
    const Grid<const u8> counts(key ? no_memory.data() : before->counts.data(), rows, columns);
    const Known known{{field, 2 * rows, 2 * columns}, counts,
                      frame.quality < old ? 0 : (frame.quality == old ? 1 : 2)};

    std::vector<Context> contexts = key ? model.contexts : before->contexts;
    SaidBlocks found(rows, columns);
    const Blocks blocks = found.view();
    std::vector<i16> values(count * CHANNELS);
    const Grid<i16> symbols(values.data(), count, CHANNELS);
    Picture picture(rows, columns);
    const Planes planes = picture.view(rows, columns);
    const int down = areas_of(rows), across = areas_of(columns);
    std::vector<u8> flags(2 * down * across);
    const int luma_q3 = luma_step(frame.quality), chroma_q3 = chroma_step(frame.quality);

    RansReader reader(frame.payload);
    read_blocks(reader, contexts, key, blocks, known, workspace.so_far);
    if (frame.strength) {
        const std::span<u8> all(flags);
        read_areas(reader, contexts, all.first(down * across), all.last(down * across));
    }
    std::vector<u8> moved(count * CHANNELS), moved_counts(count);
    const Grid<u8> moved_rows(moved.data(), count, CHANNELS);
    move_memory(blocks, memory, counts, moved_rows, {moved_counts.data(), rows, columns});
    FrameFeatures& features = workspace.prior.features;
    features.with_memory = !key;
    describe(features, blocks, Grid<const u8>(moved_counts.data(), rows, columns),
             {frame.quality, old});
    if (!key) {
        Picture reference = before->picture;
        predict(reference.view(rows, columns), blocks, planes, pool);
        remember_reference(features, blocks, moved_rows, planes, luma_q3, chroma_q3, pool);
    }
    read_symbols(model.prior, workspace.prior, reader, model.tables.rows, blocks.counts,
                 frame.quality, symbols, pool);
    (void)reader.finished();

    i32 steps_q3[CHANNELS];
    for (int c = 0; c < CHANNELS; ++c) steps_q3[c] = ORDER[c] < 256 ? luma_q3 : chroma_q3;
    rebuild(blocks, symbols, steps_q3, planes, pool);
    deblock(blocks, luma_q3, chroma_q3, planes, pool);
    LoopFilter filter{{luma_q3, chroma_q3}, {}};
    std::memcpy(filter.weights, model.filter[key ? 0 : 1][frame.quality * FILTER_BANDS / 64],
                sizeof filter.weights);
    filter_rebuild(planes, {{flags.data(), down, across}, {flags.data() + down * across, down, across}},
                   blocks, filter, workspace.filter, pool);

    std::vector<u8> remembered(count * CHANNELS);
    remember_symbols(blocks.counts, symbols, moved_rows, {remembered.data(), count, CHANNELS});
    for (const u8 one : found.counts) require(one <= GROUPS);
    for (const u8 one : remembered) require(one <= ESCAPE);
    return {std::move(picture), std::move(found.field), std::move(found.counts),
            std::move(remembered), key ? model.contexts : std::move(contexts), frame.quality};
}

// A frame to start from: a keyframe of noise, or, where that is damaged, a flat picture.
State start(const Model& model, Frame frame, Noise noise, Workspace& workspace) {
    std::vector<u8> payload(64 + noise() % 1024);
    for (auto& byte : payload) byte = static_cast<u8>(noise());
    frame.payload = payload;
    frame.quality = static_cast<int>(noise() % QUALITY_COUNT);
    try {
        return decode(model, frame, nullptr, workspace, nullptr);
    } catch (const Damaged&) {
    }
    const int count = frame.rows * frame.columns;
    State state{Picture(frame.rows, frame.columns), std::vector<Vector>(4 * count),
                std::vector<u8>(count), std::vector<u8>(count * CHANNELS), model.contexts,
                frame.quality};
    for (auto& sample : state.picture.y) sample = static_cast<u8>(noise());
    for (auto& sample : state.picture.u) sample = static_cast<u8>(noise() % 2 * 255);
    for (auto& one : state.counts) one = static_cast<u8>(noise() % (GROUPS + 1));
    for (auto& one : state.memory) one = static_cast<u8>(noise() % (ESCAPE + 1));
    return state;
}

// How far inputs came, said at the end.
struct Pictures {
    unsigned long long count = 0;
    ~Pictures() { std::printf("%llu pictures\n", count); }
} pictures;

void decode_twice(const u8* packet, std::size_t size) {
    static const Model model;
    static Pool pool(3);
    static Workspace workspace, other;  // kept from frame to frame, whatever sizes come
    const bool key = packet[0] & 1;
    const std::size_t header = key ? KEY_HEADER : INTER_HEADER;
    if (size < header + CRC) return;
    // Inter packets do not say how large a picture is: bytes of their reference's name do.
    const int rows = (key ? packet[12] / 16 : packet[2]) % MOST_SIDE + 1;
    const int columns = (key ? packet[10] / 16 : packet[3]) % MOST_SIDE + 1;
    const Frame frame{rows, columns, packet[1] & 63, packet[1] >> 6,
                      {packet + header, size - header - CRC}};
    const Noise noise{static_cast<u32>(packet[4] | packet[5] << 8)};
    std::unique_ptr<State> before;
    if (!key) before = std::make_unique<State>(start(model, frame, noise, workspace));
    const State after = decode(model, frame, before.get(), workspace, nullptr);
    const State same = decode(model, frame, before.get(), other, &pool);
    require(same.picture == after.picture && same.field == after.field &&
            same.memory == after.memory);
    ++pictures.count;
    (void)decode(model, frame, &after, workspace, nullptr);
    ++pictures.count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < sc::INTER_HEADER) return 0;
    try {
        decode_twice(data, size);
    } catch (const sc::Damaged&) {
    }
    return 0;
}
