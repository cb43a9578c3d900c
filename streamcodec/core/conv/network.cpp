// SPDX-License-Identifier: Apache-2.0
#include "conv/network.hpp"

#include <algorithm>
#include <stdexcept>

#include "kernels.hpp"

namespace sc {
namespace {

constexpr int JOB_ROWS = 4;  // rows of cells that one job of the pool takes
constexpr int CELL_SLACK = 4 * CONV_TILE_QUADS;  // bytes that kernels may read beyond the last cell
constexpr int MOST_SHIFT = 15;
constexpr int MOST_CHANNELS = 4096;

int padded(int value, int by) { return (value + by - 1) / by * by; }

void require(bool fine, const char* what) {
    if (!fine) throw std::invalid_argument(what);
}

// Cells of a layer's values, with a border of one.
struct Cells {
    u8* data;
    int down, across, bytes;

    [[nodiscard]] u8* at(int row, int column) const {
        return data + (static_cast<std::ptrdiff_t>(row + 1) * (across + 2) + column + 1) * bytes;
    }
};

// The three runs of a row of 3x3 windows.
ConvRow windows(const Cells& from, int row) {
    ConvRow in{.count = from.across, .runs = 3, .first = {}, .step = {}, .quads = {}};
    for (int k = 0; k < 3; ++k) {
        in.first[k] = from.at(row - 1 + k, -1);
        in.step[k] = from.bytes;
        in.quads[k] = 3 * from.bytes / 4;
    }
    return in;
}

ConvFinish finish(const ConvLayer& layer, int quality, int block) {
    const int first = block * CONV_OUTPUTS;
    const int row = layer.quality_rows > 1 ? quality : 0;
    return {.bias = &layer.bias[static_cast<std::size_t>(row) * layer.outputs + first],
            .shift = &layer.shift[first],
            .half = &layer.half[first],
            .odd = &layer.odd[first],
            .low = 0,
            .skip = nullptr,
            .skip_step = 0,
            .out = nullptr,
            .out_step = 0};
}

void each_row(Pool* pool, int rows, Call<int> job) {
    run_jobs(pool, (rows + JOB_ROWS - 1) / JOB_ROWS, [&](int index) {
        const int last = std::min((index + 1) * JOB_ROWS, rows);
        for (int row = index * JOB_ROWS; row < last; ++row) job(row);
    });
}

// A 3x3 layer from cells to cells; `skip` may be what is written to.
void convolve(const ConvLayer& layer, int quality, const Cells& from, const Cells& to,
              const Cells* skip, Pool* pool) {
    const auto* kernel = kernels().conv;
    each_row(pool, from.down, [&](int row) {
        const ConvRow in = windows(from, row);
        for (int block = 0; block < layer.outputs / CONV_OUTPUTS; ++block) {
            ConvFinish out = finish(layer, quality, block);
            out.out = to.at(row, 0) + block * CONV_OUTPUTS;
            out.out_step = to.bytes;
            if (skip != nullptr) {
                out.skip = skip->at(row, 0) + block * CONV_OUTPUTS;
                out.skip_step = skip->bytes;
            }
            kernel->convolve(in, layer.weights(block), out);
        }
    });
}

std::vector<ConvInput> window_inputs(int channels, int bytes) {
    std::vector<ConvInput> inputs(static_cast<std::size_t>(9) * bytes);
    for (int down = 0; down < 3; ++down)
        for (int across = 0; across < 3; ++across)
            for (int k = 0; k < channels; ++k)
                inputs[(down * 3 + across) * bytes + k] = {k, down, across};
    return inputs;
}

std::vector<int> plain_order(int channels) {
    std::vector<int> order(padded(channels, CONV_OUTPUTS), -1);
    for (int k = 0; k < channels; ++k) order[k] = k;
    return order;
}

void set_window(ConvLayer& layer, const ConvWeights& from) {
    require(from.side == 3, "a layer has another side");
    const int bytes = padded(from.inputs, CONV_OUTPUTS);
    layer.set(from, window_inputs(from.inputs, bytes), std::vector<int>(3, 3 * bytes),
              plain_order(from.outputs), 0);
}

}  // namespace

void ConvLayer::set(const ConvWeights& from, std::span<const ConvInput> inputs,
                    std::span<const int> runs, std::span<const int> order, int moved) {
    const int area = from.side * from.side;
    outputs = static_cast<int>(order.size());
    bytes = static_cast<int>(inputs.size());
    quality_rows = from.bias.rows;
    require(bytes % 4 == 0 && outputs % CONV_OUTPUTS == 0, "a layer is not padded");
    require(quality_rows == 1 || quality_rows == CONV_QUALITIES, "biases have 1 or 64 rows");
    require(from.bias.columns == from.outputs &&
                static_cast<int>(from.shift.size()) == from.outputs,
            "biases or shifts of another number of outputs");
    packed.assign(static_cast<std::size_t>(bytes) * outputs, 0);
    bias.assign(static_cast<std::size_t>(quality_rows) * outputs, 0);
    shift.assign(outputs, 0);
    half.assign(outputs, 0);
    odd.assign(outputs, 0);
    for (int o = 0; o < outputs; ++o) {
        const int channel = order[o];
        if (channel < 0) continue;
        const i8* weight = from.weight + static_cast<std::ptrdiff_t>(channel) * from.inputs * area;
        i8* block = &packed[static_cast<std::size_t>(o / CONV_OUTPUTS) * bytes * CONV_OUTPUTS];
        for (int k = 0; k < bytes; ++k) {
            const ConvInput& input = inputs[k];
            if (input.channel < 0) continue;
            block[(k / 4 * CONV_OUTPUTS + o % CONV_OUTPUTS) * 4 + k % 4] =
                weight[input.channel * area + input.down * from.side + input.across];
        }
        i32 share = 0;
        for (int k = 0; k < moved * area; ++k) share += OFFSET * weight[k];
        for (int row = 0; row < quality_rows; ++row)
            bias[static_cast<std::size_t>(row) * outputs + o] = from.bias(row, channel) - share;
        const int by = from.shift[channel];
        require(by <= MOST_SHIFT, "a shift is beyond 15");
        shift[o] = by;
        half[o] = by ? (1 << (by - 1)) - 1 : 0;
        odd[o] = by ? 1 : 0;
    }
    tile_quads = 0;
    for (const int run : runs) tile_quads += padded(run / 4, CONV_TILE_QUADS);
    constexpr int QUAD = 4 * CONV_OUTPUTS;  // bytes of weights
    tiles.assign(static_cast<std::size_t>(outputs / CONV_OUTPUTS) * tile_quads * QUAD, 0);
    for (int block = 0; block < outputs / CONV_OUTPUTS; ++block) {
        const i8* read = &packed[static_cast<std::size_t>(block) * bytes * CONV_OUTPUTS];
        i8* to = &tiles[static_cast<std::size_t>(block) * tile_quads * QUAD];
        for (const int run : runs) {
            std::copy_n(read, run / 4 * QUAD, to);
            read += run / 4 * QUAD;
            to += padded(run / 4, CONV_TILE_QUADS) * QUAD;
        }
    }
}

ConvNetwork::ConvNetwork(std::span<const ConvWeights> layers) {
    require(layers.size() >= 5 && layers.size() % 2 == 1, "a network has five layers and more");
    for (const ConvWeights& one : layers) {
        require(one.inputs > 0 && one.inputs <= MOST_CHANNELS && one.outputs > 0 &&
                    one.outputs <= MOST_CHANNELS,
                "a layer is too wide");
    }
    const ConvWeights& enter = layers.front();
    const ConvWeights* tail = layers.data() + layers.size() - 4;  // leave, first, second, last
    const int body = enter.outputs, renderer = tail[2].outputs;
    inputs_ = (enter.inputs - MAPS) / 4;
    require(enter.inputs == 4 * inputs_ + MAPS && enter.side == 1 &&
                (inputs_ == PICTURE_INPUTS || inputs_ == PICTURE_INPUTS + PREDICTION_INPUTS),
            "the first layer has other inputs");
    require(tail[0].inputs == body && tail[0].outputs == 4 * renderer && tail[0].side == 1,
            "the layer that leaves the body has another shape");
    require(tail[1].inputs == inputs_ + renderer && tail[1].outputs == renderer &&
                tail[1].side == 3 && tail[2].inputs == renderer && tail[3].inputs == renderer &&
                tail[3].outputs == CORRECTIONS,
            "the renderer has another shape");
    width_ = padded(body, CONV_OUTPUTS);
    leaves_ = padded(renderer, CONV_OUTPUTS);
    cell_bytes_ = leaves_ + padded(inputs_, 4);

    // Two rows of two cells, then the maps.
    std::vector<ConvInput> entering(static_cast<std::size_t>(4) * cell_bytes_ + MAPS_BYTES);
    for (int cell = 0; cell < 4; ++cell)
        for (int k = 0; k < inputs_; ++k)
            entering[cell * cell_bytes_ + leaves_ + k] = {4 * k + cell, 0, 0};
    for (int k = 0; k < MAPS; ++k) entering[4 * cell_bytes_ + k] = {4 * inputs_ + k, 0, 0};
    const int entering_runs[] = {2 * cell_bytes_, 2 * cell_bytes_, MAPS_BYTES};
    enter_.set(enter, entering, entering_runs, plain_order(body), 4 * inputs_);

    body_.resize(layers.size() - 5);
    for (std::size_t n = 0; n < body_.size(); ++n) {
        require(layers[n + 1].inputs == body && layers[n + 1].outputs == body,
                "a layer of the body has another width");
        set_window(body_[n], layers[n + 1]);
    }

    // The outputs of each of the four cells side by side.
    std::vector<ConvInput> leaving(width_);
    for (int k = 0; k < body; ++k) leaving[k] = {k, 0, 0};
    std::vector<int> cells(static_cast<std::size_t>(4) * leaves_, -1);
    for (int cell = 0; cell < 4; ++cell)
        for (int k = 0; k < renderer; ++k) cells[cell * leaves_ + k] = 4 * k + cell;
    leave_.set(tail[0], leaving, std::vector<int>(1, width_), cells, 0);

    std::vector<ConvInput> rendering(static_cast<std::size_t>(9) * cell_bytes_);
    for (int window = 0; window < 9; ++window) {
        ConvInput* of = &rendering[window * cell_bytes_];
        for (int k = 0; k < renderer; ++k) of[k] = {inputs_ + k, window / 3, window % 3};
        for (int k = 0; k < inputs_; ++k) of[leaves_ + k] = {k, window / 3, window % 3};
    }
    first_.set(tail[1], rendering, std::vector<int>(3, 3 * cell_bytes_), plain_order(renderer), inputs_);
    set_window(second_, tail[2]);
    set_window(last_, tail[3]);
}

void ConvNetwork::start(ConvWorkspace& at, int cells_down, int cells_across) const {
    require(cells_down > 0 && cells_across > 0 && cells_down % 2 == 0 && cells_across % 2 == 0,
            "cells come in twos");
    const std::size_t fine = static_cast<std::size_t>(cells_down + 2) * (cells_across + 2);
    const std::size_t coarse = static_cast<std::size_t>(cells_down / 2 + 2) * (cells_across / 2 + 2);
    if (at.cells_down != cells_down || at.cells_across != cells_across || at.user != this) {
        // Borders are zero, and stay so: only cells inside are written.
        at.fine.assign(fine * cell_bytes_ + CELL_SLACK, 0);
        at.first.assign(fine * leaves_ + CELL_SLACK, 0);
        at.second.assign(fine * leaves_ + CELL_SLACK, 0);
        at.body.assign(coarse * width_ + CELL_SLACK, 0);
        at.between.assign(coarse * width_ + CELL_SLACK, 0);
        at.cells_down = cells_down;
        at.cells_across = cells_across;
        at.user = this;
    }
    at.maps.assign(static_cast<std::size_t>(cells_down / 2) * (cells_across / 2) * MAPS_BYTES + CELL_SLACK, 0);
    at.last.resize(static_cast<std::size_t>(cells_down) * cells_across * CONV_OUTPUTS);
    // Inputs beyond the edge are zeros, OFFSET higher.
    const auto zeros = [&](int row, int column) {
        u8* cell = inputs_at(at, row, column);
        std::fill(cell, cell + inputs_, static_cast<u8>(OFFSET));
    };
    for (int column = -1; column <= cells_across; ++column) zeros(-1, column), zeros(cells_down, column);
    for (int row = 0; row < cells_down; ++row) zeros(row, -1), zeros(row, cells_across);
}

void ConvNetwork::run(ConvWorkspace& at, int quality, Pool* pool) const {
    require(quality >= 0 && quality < CONV_QUALITIES, "quality is 0 to 63");
    const auto* kernel = kernels().conv;
    const int down = at.cells_down, across = at.cells_across;
    const Cells fine{at.fine.data(), down, across, cell_bytes_};
    const Cells body{at.body.data(), down / 2, across / 2, width_};
    const Cells between{at.between.data(), down / 2, across / 2, width_};
    const Cells first{at.first.data(), down, across, leaves_};
    const Cells second{at.second.data(), down, across, leaves_};

    each_row(pool, down / 2, [&](int row) {
        const int bytes = 2 * cell_bytes_;
        const ConvRow in{.count = across / 2,
                         .runs = 3,
                         .first = {fine.at(2 * row, 0), fine.at(2 * row + 1, 0),
                                   &at.maps[static_cast<std::size_t>(row) * (across / 2) * MAPS_BYTES]},
                         .step = {bytes, bytes, MAPS_BYTES},
                         .quads = {bytes / 4, bytes / 4, MAPS_BYTES / 4}};
        for (int block = 0; block < enter_.outputs / CONV_OUTPUTS; ++block) {
            ConvFinish out = finish(enter_, quality, block);
            out.out = body.at(row, 0) + block * CONV_OUTPUTS;
            out.out_step = width_;
            kernel->convolve(in, enter_.weights(block), out);
        }
    });
    for (std::size_t n = 0; n + 1 < body_.size(); n += 2) {
        convolve(body_[n], quality, body, between, nullptr, pool);
        convolve(body_[n + 1], quality, between, body, &body, pool);
    }
    each_row(pool, down / 2, [&](int row) {
        const ConvRow in{.count = across / 2,
                         .runs = 1,
                         .first = {body.at(row, 0)},
                         .step = {width_},
                         .quads = {width_ / 4}};
        for (int block = 0; block < leave_.outputs / CONV_OUTPUTS; ++block) {
            const int cell = block * CONV_OUTPUTS / leaves_;
            ConvFinish out = finish(leave_, quality, block);
            out.out = fine.at(2 * row + cell / 2, cell % 2) + block * CONV_OUTPUTS % leaves_;
            out.out_step = 2 * cell_bytes_;
            kernel->convolve(in, leave_.weights(block), out);
        }
    });
    convolve(first_, quality, fine, first, nullptr, pool);
    convolve(second_, quality, first, second, &first, pool);
    each_row(pool, down, [&](int row) {
        ConvFinish out = finish(last_, quality, 0);
        out.low = -127;
        out.out = reinterpret_cast<u8*>(
            &at.last[static_cast<std::size_t>(row) * across * CONV_OUTPUTS]);
        out.out_step = CONV_OUTPUTS;
        kernel->convolve(windows(second, row), last_.weights(0), out);
    });
}

}  // namespace sc
