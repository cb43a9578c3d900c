// SPDX-License-Identifier: Apache-2.0
// The decoder network on the processor: convolutions of bytes, exact (docs/bitstream.md, 13a).
//
// Cells lie channel by channel, with a border of one cell around each layer, so that the three cells
// of a window's row are one run of bytes. Values that may be below zero are stored 64 higher, beyond
// the edge, too; the biases take that share back.
#pragma once

#include <span>
#include <vector>

#include "grid.hpp"
#include "kernels/conv.hpp"
#include "pool.hpp"

namespace sc {

inline constexpr int CORRECTIONS = 24;   // channels: 16 luma samples of a cell, 4 of U, 4 of V
inline constexpr int MAPS = 5;           // side information of a block
inline constexpr int MAPS_BYTES = 8;     // of a cell
inline constexpr int PICTURE_INPUTS = 27;
inline constexpr int PREDICTION_INPUTS = 24;
inline constexpr int CONV_QUALITIES = 64;
inline constexpr int OFFSET = 64;        // of what may be below zero

// A layer's integers as a weights file has them.
struct ConvWeights {
    const i8* weight;  // (outputs, inputs, side, side)
    int outputs, inputs, side;
    Grid<const i32> bias;  // (1 or 64, outputs)
    std::span<const u8> shift;
};

// One input of a layer: a channel of a window, or none (a byte that meets no weight).
struct ConvInput {
    int channel = -1;
    int down = 0;
    int across = 0;
};

// A layer as the kernels take it: outputs in blocks of CONV_OUTPUTS, inputs as their bytes lie.
struct ConvLayer {
    int outputs = 0;  // a multiple of CONV_OUTPUTS
    int bytes = 0;    // of all runs of a cell
    int tile_quads = 0;
    int quality_rows = 1;
    std::vector<i8> packed, tiles;
    std::vector<i32> bias, shift, half, odd;

    // `inputs` are in `runs` (bytes of each); `order` says which channel each output is (-1: none);
    // the first `moved` input channels are stored higher by OFFSET. Throws std::invalid_argument.
    void set(const ConvWeights& from, std::span<const ConvInput> inputs, std::span<const int> runs,
             std::span<const int> order, int moved);
    [[nodiscard]] ConvPacked weights(int block) const {
        return {&packed[static_cast<std::size_t>(block) * bytes * CONV_OUTPUTS],
                &tiles[static_cast<std::size_t>(block) * tile_quads * 4 * CONV_OUTPUTS]};
    }
};

struct ConvWorkspace {
    std::vector<u8> fine;  // at 1/4: what leaves the body, then the inputs
    std::vector<u8> maps;  // at 1/8
    std::vector<u8> body, between, first, second;
    std::vector<i8> last;
    int cells_down = 0, cells_across = 0;  // at 1/4
    const void* user = nullptr;            // the network that it is laid out for
};

class ConvNetwork {
  public:
    // Layers in the order in which they run. Throws std::invalid_argument where they do not fit.
    explicit ConvNetwork(std::span<const ConvWeights> layers);

    [[nodiscard]] int inputs() const { return inputs_; }
    [[nodiscard]] bool predicted() const { return inputs_ > PICTURE_INPUTS; }

    // Ready the workspace for a picture of so many cells (even numbers).
    void start(ConvWorkspace& at, int cells_down, int cells_across) const;
    // Where a cell's inputs are written, OFFSET higher; and a cell's maps.
    [[nodiscard]] u8* inputs_at(ConvWorkspace& at, int row, int column) const {
        return &at.fine[((row + 1) * (at.cells_across + 2) + column + 1) * cell_bytes_ + leaves_];
    }
    [[nodiscard]] int cell_bytes() const { return cell_bytes_; }
    // From the inputs to `last`: (cells, CONV_OUTPUTS) in -127..127, CORRECTIONS of them used.
    void run(ConvWorkspace& at, int quality, Pool* pool) const;

  private:
    int inputs_ = 0;
    int width_ = 0;       // of the body, as stored
    int leaves_ = 0;      // of the renderer, as stored
    int cell_bytes_ = 0;  // of a cell at 1/4
    ConvLayer enter_, leave_, first_, second_, last_;
    std::vector<ConvLayer> body_;
};

}  // namespace sc
