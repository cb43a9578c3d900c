// SPDX-License-Identifier: Apache-2.0
// Inner loops of prediction, deblocking and the loop filter: rows and small blocks of samples.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace sc {

// How far samples at an edge may move, 0 where it is left alone; and how flat its sides must be.
struct EdgeLimits {
    const int16_t* limit;
    int16_t beta;
};

// Four rows of 4x4 squares, side by side.
struct FilterRun {
    const uint8_t* from;  // first sample of the first row, unfiltered
    ptrdiff_t from_pitch;
    uint8_t* to;
    ptrdiff_t to_pitch;
    int count;                 // samples across, a multiple of 8
    int step_q3;               // classes depend on it
    const int32_t (*pairs)[3];  // of each class: its six weights, two in a word
};

// A square of both chroma planes.
struct ChromaFrom {
    const uint8_t* at[2];
    ptrdiff_t pitch[2];
};
struct ChromaTo {
    uint8_t* at[2];
    ptrdiff_t pitch[2];
};

struct PictureKernels {
    // Predict rows x columns (16 or 8) of luma at `from`, moved by quarter samples fy and fx more.
    // With a fraction, up to 4 samples around may be read.
    void (*luma)(const uint8_t* from, ptrdiff_t from_pitch, int fy, int fx, int rows, int columns,
                 uint8_t* out, ptrdiff_t out_pitch);
    // The same for both chroma planes (8 or 4 columns) in eighths: 1 sample before, 2 after.
    void (*chroma)(const ChromaFrom& from, int fy, int fx, int rows, int columns,
                   const ChromaTo& to);
    // Mix the half of a cell (8 samples a side, chroma 4) that lies at `side` (left, above, right,
    // below) with another prediction of the cell.
    void (*blend_luma)(uint8_t* cell, ptrdiff_t pitch, int side, const uint8_t* other,
                       ptrdiff_t other_pitch);
    void (*blend_chroma)(const ChromaTo& cell, int side, const ChromaFrom& other);

    // Smooth the edge above q0's row along `count` samples, a multiple of 8; a limit for each.
    void (*edge_above)(uint8_t* q0, ptrdiff_t pitch, const EdgeLimits& limits, int count);
    // Smooth the edges left of q0 and every eight samples after it, over 16 or 8 rows; two limits
    // for each edge, of the upper and the lower half of the rows.
    void (*edges_left)(uint8_t* q0, ptrdiff_t pitch, const EdgeLimits& limits, int edges, int rows);

    // Filter four rows of squares; differences are clipped to +-bound. Reads two samples around,
    // and up to sixteen more on the right.
    void (*filter)(const FilterRun& run, int16_t bound);
    // Sum of (source - plain)^2 - (source - filtered)^2 of a row.
    int32_t (*gain)(const uint8_t* source, const uint8_t* plain, const uint8_t* filtered,
                    int count);
};

}  // namespace sc
