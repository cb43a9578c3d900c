// SPDX-License-Identifier: Apache-2.0
// What the prior looks at: small integers 0..127 that encoder and decoder both hold.
//
// A row describes one block at the moment one of its groups is coded: its own lower groups, what
// its eight neighbours have shown so far, what the packet says of blocks, and in inter frames the symbols of
// the reference where the block came from and the spectrum of its prediction. docs/bitstream.md,
// section 6, has the row as a table.
#pragma once

#include <span>
#include <vector>

#include "aligned.hpp"
#include "blocks/layout.hpp"
#include "grid.hpp"
#include "pool.hpp"

namespace sc {

inline constexpr int SHOWN = 96;       // channels below the last group, shown one by one
inline constexpr int LOW = 24;         // channels of the four sides that are shown one by one
inline constexpr int MISC = 48;
inline constexpr int NEIGHBOUR_AT = SHOWN;
inline constexpr int SIDES_AT = NEIGHBOUR_AT + 8 * BANDS;
inline constexpr int MISC_AT = SIDES_AT + 4 * LOW;
inline constexpr int KEY_FEATURES = MISC_AT + MISC;  // 328
inline constexpr int PREDICTED = SHOWN + BANDS;
inline constexpr int MEMORY = CHANNELS + PREDICTED;  // 491: a block's row of the reference
inline constexpr int INTER_FEATURES = KEY_FEATURES + MEMORY;  // 819
// Rows are whole lines of the cache, and what is beyond the inputs is zero.
inline constexpr int KEY_PITCH = whole_lines(KEY_FEATURES);
inline constexpr int INTER_PITCH = whole_lines(INTER_FEATURES);
inline constexpr int MEMORY_PITCH = whole_lines(MEMORY);
inline constexpr int MEMORY_COPIED = INTER_PITCH - KEY_FEATURES;
static_assert(MEMORY_COPIED <= MEMORY_PITCH);

// What one frame shows of its blocks while it is coded; grows, and is used again.
struct FrameFeatures {
    int rows = 0;
    int columns = 0;
    bool with_memory = false;
    std::vector<u8> shown;   // (blocks, SHOWN)
    std::vector<u8> energy;  // (blocks, BANDS)
    std::vector<u8> misc;    // (blocks, MISC)
    Aligned<u8> memory;      // (blocks, MEMORY_PITCH), inter frames only
    Aligned<u8> levels;  // of the blocks that `reveal` is asked for
    std::vector<i32> sums;

    [[nodiscard]] int pitch() const { return with_memory ? INTER_PITCH : KEY_PITCH; }
    // Forget what was shown: the start of a walk.
    void begin(int row_count, int column_count);
};

// Qualities of a frame and of its reference, 0 to 63.
struct Qualities {
    int frame;
    int reference;
};

// Fill `misc`: mode, counts around, motion, quality against the reference's, intra directions.
void describe(FrameFeatures& features, const Blocks& blocks, Grid<const u8> moved_counts,
              Qualities qualities);

// Fill `memory` of every inter block that codes something: magnitudes of the moved memory
// (blocks, 384), then what the prediction looks like in steps of this quality.
void remember_reference(FrameFeatures& features, const Blocks& blocks, Grid<const u8> moved,
                        const ConstPlanes& prediction, int step_q3, int chroma_step_q3, Pool* pool);

// Note that `group` of these blocks is known; symbols are (blocks, 384).
void reveal(FrameFeatures& features, std::span<const i32> blocks, int group,
            Grid<const i16> symbols);

// One block's row of features; `out` has pitch() bytes.
void write_row(const FrameFeatures& features, int block, u8* out);

// Memory (blocks, 384) and counts of the reference, fetched from where each block came from; zeros
// for intra blocks. Vectors are clamped to the picture.
void move_memory(const Blocks& blocks, Grid<const u8> memory, Grid<const u8> counts,
                 Grid<u8> moved, Grid<u8> moved_counts);

// A guess at the tables (blocks, 384) of blocks that may be coded (`counts` above 0; those of others are
// not written): what coded each block where it came from (`before`), `shift` higher; `otherwise` (384)
// where nothing was coded.
void guess_tables(const Blocks& blocks, Grid<const u8> counts, Grid<const u8> before, int shift,
                  std::span<const u8> otherwise, Grid<u8> out);

// Magnitudes that the next frame's prior will see: this frame's, or half of those before it.
void remember_symbols(Grid<const u8> counts, Grid<const i16> symbols, Grid<const u8> moved,
                      Grid<u8> out);

}  // namespace sc
